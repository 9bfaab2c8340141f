"""The documentation: its links lead somewhere, and what it tells a reader to write works."""

import dataclasses
import inspect
import json
import re
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from ecg_r1.corpus.store import RecordStore
from ecg_r1.datasets.folder import record_entries
from ecg_r1.datasets.formats import read_examples
from ecg_r1.ecg.criteria import parse
from ecg_r1.ecg.record import write_record
from ecg_r1.ecg.simulate import simulate
from ecg_r1.ecg.vocabulary import Statement, Vocabulary, vocabulary
from ecg_r1.recipe import GRPORecipe, read_recipe
from ecg_r1.scoring import Completion, RewardPool, load_reward

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md")]
PAGES += sorted((ROOT / "docs").glob("*.md"))
ALGORITHMS = (ROOT / "docs" / "algorithms.md").read_text(encoding="utf-8")
HOWTO = (ROOT / "docs" / "howto.md").read_text(encoding="utf-8")


LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"")


def without_code(text: str) -> str:
    return re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub names them."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    names: Counter[str] = Counter()
    found = set()
    for heading in re.findall(r"^#{1,6} (.+)$", text, re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        found.add(f"{slug}-{names[slug]}" if names[slug] else slug)
        names[slug] += 1
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_and_anchor_resolves(page):
    links = LINK.findall(without_code(page.read_text(encoding="utf-8")))
    broken = []
    for link in filter(None, (markdown or html for markdown, html in links)):
        if re.match(r"https?:|mailto:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_the_links_that_are_looked_for_are_found():
    text = '[a](docs/gem.md#x) `[no](code)` <img src="docs/report.png">'
    assert LINK.findall(without_code(text)) == [("docs/gem.md#x", ""), ("", "docs/report.png")]


@pytest.mark.parametrize("page", [p for p in PAGES if p.name != "CHANGELOG.md"], ids=lambda page: page.name)
def test_every_file_that_a_page_names_is_there(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    named = re.findall(r"`((?:recipes|docs|ecg_r1|rewards|data|tests|tools|benchmarks)/[\w./-]*/?)`", text)
    named = [name for name in named if name.endswith("/") or "." in name]  # not `rewards/format/mean`, which is a log's
    named += re.findall(r"`(\w+(?:/\w+)+\.(?:py|md|yaml|rst))`", text)  # of the package's rooms
    places = (ROOT, ROOT / "ecg_r1")
    assert [name for name in named if not any((place / name).exists() for place in places)] == []


def algorithms() -> list[tuple[str, str, dict]]:
    """(stage, algorithm, recipe lines) of each row of the tables in docs/algorithms.md."""
    rows = []
    for section in re.split(r"^## ", ALGORITHMS, flags=re.MULTILINE)[1:]:
        stage = "sft" if section.startswith("SFT") else "grpo"
        for row in re.findall(r"^\|(.+)\|$", section, re.MULTILINE):
            name, lines, *paper = (cell.strip() for cell in row.split("|"))
            if paper and lines.startswith("`"):
                merged: dict = {}
                for code in re.findall(r"`([^`]+)`", lines):
                    merged |= yaml.safe_load(code)
                rows.append((stage, name.partition(":")[0], merged))
    return rows


ROWS = pytest.mark.parametrize(("stage", "lines"), [pytest.param(s, r, id=name) for s, name, r in algorithms()])


def test_the_table_of_algorithms_is_read_whole():
    names = " ".join(name for _, name, _ in algorithms())
    for name in (
        "GRPO",
        "Dr. GRPO",
        "BNPO",
        "DAPO",
        "GSPO",
        "CISPO",
        "SAPO",
        "LUSPO",
        "VESPO",
        "GDPO",
        "Lite PPO",
        "DFT",
    ):
        assert name in names
    assert len(algorithms()) == 30


PAPERS = sorted((ROOT / "recipes" / "papers").glob("*.yaml"))


def test_each_recipe_of_a_paper_has_the_lines_of_its_row():
    rows = {re.sub(r"\W+", "_", name.lower()): lines for _, name, lines in algorithms()}
    rows["max_rl"] = rows.pop("maxrl")
    plain = read_recipe("tiny/grpo")
    for path in PAPERS:
        given = read_recipe(path)
        if not isinstance(given, GRPORecipe) or (given.credit, given.trainer) == (plain.credit, plain.trainer):
            continue  # no algorithm
        if path.stem in rows:
            lines = rows[path.stem]
            assert given.credit == lines["credit"]
            assert {key: given.trainer.get(key) for key in lines["trainer"]} == lines["trainer"]
        else:
            assert f"papers/{path.stem}" in ALGORITHMS + (ROOT / "docs" / "papers.md").read_text()


def recipe_with(lines: dict, stage: str, folder: Path, **more: object):
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump({"base": str(ROOT / "recipes" / "tiny" / f"{stage}.yaml")} | lines | more))
    return read_recipe(path)


@ROWS
def test_the_recipe_lines_of_an_algorithm_are_options_of_the_pinned_trl(stage, lines, tmp_path):
    pytest.importorskip("trl")
    from ecg_r1.model.lora import lora_config
    from ecg_r1.train.arguments import check_names, training_arguments
    from ecg_r1.train.options import check_options

    recipe = recipe_with(lines, stage, tmp_path, deepspeed=None)
    check_options(recipe, "docs/algorithms.md")
    check_names(recipe, "docs/algorithms.md")
    arguments = training_arguments(recipe, "docs/algorithms.md")
    for key, value in lines.get("trainer", {}).items():
        assert value is None or getattr(arguments, key) == value
    assert getattr(recipe, "credit", None) == lines.get("credit", getattr(recipe, "credit", None))
    if recipe.lora:
        adapters = lora_config(recipe.lora, "tiny", "docs/algorithms.md")
        for key, value in lines["lora"].items():
            assert getattr(adapters, key) == value


CHOICES = (
    "loss_type",
    "importance_sampling_level",
    "scale_rewards",
    "multi_objective_aggregation",
    "vllm_importance_sampling_mode",
)


@ROWS
def test_each_named_choice_is_one_that_the_trainer_compares_with(stage, lines):
    """GRPOConfig takes any string; the trainer raises at its first step where it knows none of that name."""
    trl = pytest.importorskip("trl")
    source = inspect.getsource(trl.GRPOTrainer if stage == "grpo" else trl.SFTTrainer)
    for key in set(CHOICES) & {key for key, value in lines.get("trainer", {}).items() if value is not None}:
        compared = re.findall(rf"{key} (?:==|!=|in|not in) (\[[^\]]*\]|\"\w+\")", source)
        assert lines["trainer"][key] in {name for names in compared for name in re.findall(r'"(\w+)"', names)}


def test_a_misspelt_choice_would_be_noticed():
    pytest.importorskip("trl")
    with pytest.raises(AssertionError):
        test_each_named_choice_is_one_that_the_trainer_compares_with("grpo", {"trainer": {"loss_type": "dapoo"}})


ROWS_AND_PAPERS = pytest.mark.parametrize(
    ("stage", "lines"),
    [pytest.param(s, r, id=name) for s, name, r in algorithms()]
    + [
        pytest.param("grpo", lines, id=f"papers/{path.stem}")
        for path in PAPERS
        if (lines := yaml.safe_load(path.read_text())).get("base") == "tiny/grpo"
    ],
)


@pytest.mark.slow
@ROWS_AND_PAPERS
def test_an_algorithm_runs_two_steps(stage, lines, tmp_path, split):
    """Without vLLM, whose own options are therefore not in use."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("trl")

    from ecg_r1.model.checkpoint import load_model, save
    from ecg_r1.model.lora import lora_config
    from ecg_r1.recipe import RewardWorkers
    from ecg_r1.train.arguments import training_arguments
    from ecg_r1.train.grpo import grpo_trainer
    from ecg_r1.train.media import Media
    from ecg_r1.train.rewards import RewardSet
    from ecg_r1.train.sft import sft_trainer

    store = RecordStore(split)
    model, processor = load_model("tiny", texts=["normal ECG"])
    save(model, processor, tmp_path / "model")
    media = Media(store, processor)
    group = {"num_generations": 2, "max_completion_length": 8, "log_completions": False} if stage == "grpo" else {}
    small = {"per_device_train_batch_size": 2, "max_steps": 2, "warmup_steps": 0, "logging_steps": 1, "save_steps": 9}
    trainer_lines = lines.get("trainer", {}) | small | group
    rewards = lines.get("rewards", [{"name": "length", "limit": 4, "cache": 4}, {"name": "intervals"}])
    more = {"rollout": {"engine": "hf"}, "rewards": rewards} if stage == "grpo" else {}
    recipe = recipe_with(lines, stage, tmp_path, deepspeed=None, run=str(tmp_path), trainer=trainer_lines, **more)
    arguments = training_arguments(recipe, "docs/algorithms.md")
    adapters = lora_config(recipe.lora, "tiny", "docs/algorithms.md") if recipe.lora else None
    if stage == "sft":
        trainer = sft_trainer(model, media, arguments, adapters, [])
        trainer.train()
    else:
        loaded = [load_reward(reward.name, reward.options) for reward in recipe.rewards]
        with RewardSet(loaded, RewardWorkers(workers=0), media) as reward_set:
            trainer = grpo_trainer(
                model,
                media,
                arguments,
                adapters,
                [],
                reward_set=reward_set,
                credit=recipe.credit,
                rollout={"checkpoint": str(tmp_path / "model")},
                dynamic_sampling=recipe.dynamic_sampling,
            )
            trainer.train()
    losses = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    assert len(losses) == 2
    assert all(torch.isfinite(torch.tensor(loss)) for loss in losses)


def code(page: str, language: str, name: str) -> str:
    """The block of a page that begins with "# name"."""
    (block,) = (b for b in re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL) if b.startswith(f"# {name}"))
    return block


def test_the_table_of_labels_is_read(tmp_path):
    (simulated,) = simulate(1, seed=0)
    for name in ("rec001", "rec002"):
        write_record(dataclasses.replace(simulated.record, record_id=name), tmp_path / "records")
    (table,) = (block for block in re.findall(r"```\n(.*?)```", HOWTO, re.DOTALL) if block.startswith("record,"))
    (tmp_path / "labels.csv").write_text(table)
    source = yaml.safe_load(code(HOWTO, "yaml", "my-labels.yaml"))["splits"]["train"][0]
    found = record_entries(tmp_path / source["records"], labels=tmp_path / source["labels"])
    assert [(entry.diagnoses, entry.patient) for entry in found.entries] == [
        (("sinus rhythm", "left bundle branch block"), "table 17"),
        (("atrial fibrillation",), "table 18"),
    ]


def test_the_diagnosis_is_one_that_the_vocabulary_takes():
    blocks = [yaml.safe_load(b) for b in re.findall(r"```yaml\n(.*?)```", HOWTO, re.DOTALL)]
    (rows,) = (block for block in blocks if isinstance(block, list))
    added = [Statement(**{key: tuple(v) if isinstance(v, list) else v for key, v in row.items()}) for row in rows]
    assert Vocabulary([*vocabulary(), *added]).find("wellens sign") == added[0]
    assert [finding for block in blocks if isinstance(block, dict) for finding in block if finding == added[0].name]
    (criterion,) = re.findall(r"`criterion: ([^`]+)`", HOWTO)
    assert parse(criterion).quantity == "pr_ms"


@pytest.mark.parametrize(
    ("page", "name"), [("scale", "my-ptb-xl"), ("scale", "my-mimic-ecg"), ("corpora", "my-corrupted")]
)
def test_the_corpus_recipes_of_other_pages_are_read(page, name, tmp_path):
    path = tmp_path / f"{name}.yaml"
    path.write_text(code((ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8"), "yaml", path.name))
    assert read_recipe(path).stage == "corpus"


RECIPES = {"my-evaluation": "evaluate"}
RECIPES |= dict.fromkeys(("my-corpus", "my-questions", "my-labels", "my-ecg-qa", "my-mimic"), "corpus")
RECIPES |= dict.fromkeys(("my-judge", "my-tracked"), "grpo")


@pytest.mark.parametrize("name", RECIPES)
def test_the_recipes_are_read(name, tmp_path):
    path = tmp_path / f"{name}.yaml"
    path.write_text(code(HOWTO, "yaml", path.name))
    assert read_recipe(path).stage == RECIPES[name]


def test_the_questions_are_examples(tmp_path):
    (lines,) = re.findall(r"```json\n(.*?)```", HOWTO, re.DOTALL)
    (tmp_path / "questions.jsonl").write_text(lines, encoding="utf-8")
    one, two = read_examples(tmp_path / "questions.jsonl", ["00001_hr", "00002_hr"], set())
    assert (one.records, two.records) == (("00001_hr",), ("00001_hr", "00002_hr"))
    assert (one.response is None, two.response is None) == (False, True)
    assert (two.id, two.extra) == ("older-newer", {"answer": "A"})


@pytest.fixture
def judge_server():
    """An OpenAI-compatible server: unavailable for its first answer, then a grade, by what the text asks for."""
    seen: list[dict] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            seen.append({"path": self.path, "key": self.headers["Authorization"]} | body)
            if len(seen) == 1:
                self.send_error(503)
                return
            text = body["messages"][0]["content"]
            said = "excellent!" if "no number" in text else "99" if "too high" in text else "7"
            answer = json.dumps({"choices": [{"message": {"content": said}}]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1", seen
        server.shutdown()


@pytest.mark.parametrize("workers", [0, 1])
def test_the_judge_grades_a_batch_and_tries_again(workers, judge_server, tmp_path, split, monkeypatch):
    url, seen = judge_server
    monkeypatch.setenv("JUDGE_API_KEY", "a key")
    file = tmp_path / "judge.py"
    file.write_text(code(HOWTO, "python", "judge.py"))
    reward = load_reward(f"{file}:judge", {"url": url, "model": "m", "tries": 2})
    store = RecordStore(split)
    texts = ["<think>a</think>", "too high", "no number"]
    with RewardPool([reward], workers=workers, deadline=120, error_limit=1.0) as pool:
        (scores,) = pool.score(texts, [store.case(store.ids[0])] * 3)
    assert [score.value for score in scores] == [0.7, 1.0, None]
    assert "no grade after 2 tries: ValueError" in scores[2].error
    assert len(seen) in (4, 5)  # the text without a number is sent twice, and so is the one that met status 503
    assert {request["key"] for request in seen} == {"Bearer a key"}
    assert {request["path"] for request in seen} == {"/v1/chat/completions"}
    assert {request["model"] for request in seen} == {"m"}


def test_the_judge_wants_its_key(tmp_path, split, monkeypatch):
    monkeypatch.delenv("JUDGE_API_KEY", raising=False)
    file = tmp_path / "judge.py"
    file.write_text(code(HOWTO, "python", "judge.py"))
    store = RecordStore(split)
    with pytest.raises(KeyError):
        load_reward(f"{file}:judge")([Completion.parse("a")], [store.case(store.ids[0])])
