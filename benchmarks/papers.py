"""The result table of docs/papers.md: each idea against its baseline on the tiny preset, over seeds.

    python benchmarks/papers.py [ROW …] [--records FOLDER] [--seeds 1 2 3] [--out FOLDER] [--set KEY=VALUE …] [--write]

ROW is a name of `ROWS`; all of them unless given. `--records` holds the folder `ptb-xl`, for the rows that need real
records. A seed gives a corpus, towers, an SFT model and what grows from it, as `make demo` does; stages that rows share
are run once, and a repeated command resumes. `--set` overrides every training (`trainer.max_steps=5`), `--corpus` every
corpus, `--evaluate` the comparisons. `--write` puts the table into docs/papers.md.

The difference is the mean over the seeds, with a 95% interval by Student's t over them: it holds what changes with the
training seed, with the simulated records and with the test records. The cost is the processor time of the idea's own
stages over that of the baseline's. Prints the table and, as its last line, the same as JSON.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from scipy import stats

from ecg_r1.evaluation.benchmarks.rubric import MOST

PAGE = Path(__file__).parents[1] / "docs" / "papers.md"
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"


@dataclass(frozen=True)
class Corpus:
    """What stages learn from, or are tested on.

    Attributes:
        recipe: by name.
        overrides: of the recipe.
        real: whether it needs the folder of `--records`.
    """

    recipe: str
    overrides: tuple[str, ...] = ()
    real: bool = False


@dataclass(frozen=True)
class Stage:
    """A training.

    Attributes:
        recipe: by name.
        model: the stage that it starts from, or a preset.
        split: that it learns from. corpus: which has it. tested: which has the split `held-out`; the same unless given.
        overrides: of the recipe.
    """

    recipe: str
    model: str
    split: str = "sft"
    overrides: tuple[str, ...] = ()
    corpus: str = "demo"
    tested: str = ""


@dataclass(frozen=True)
class Row:
    """An idea and what it is compared with.

    Attributes:
        source: of the idea.
        said: what differs, in a few words.
        baseline, idea: names of stages.
        metrics: of a model's part of compare.json, or of what the benchmark says; each with its title.
        grid: what else the examples are asked with.
        benchmark: in place of a comparison: `grounding`, each model on its own test, or `rubric`.
    """

    source: str
    said: str
    baseline: str
    idea: str
    metrics: tuple[tuple[str, str], ...]
    grid: str = ""
    benchmark: Literal["", "grounding", "rubric"] = ""


SUPPORTED = ("supported", "supported")
DIAGNOSIS = ("diagnosis_accuracy", "diagnosis")
MACRO_F1 = ("diagnosis_macro_f1", "macro-F1")
ON_ONE_LEAD = ("mirage.conditions.leads-1.supported", "supported, lead I alone")
ON_THE_PAGE = (
    ("mirage.conditions.no-signal.supported", "supported, page alone"),
    ("mirage.conditions.no-signal.diagnosis_accuracy", "diagnosis, page alone"),
)
LOCALISED = (
    ("seen.lead_jaccard", "leads, known findings"),
    ("unseen.lead_jaccard", "leads, unseen finding"),
    ("unseen.ap50", "AP@0.5 of boxes, unseen finding"),
    ("by_finding.premature_beats.temporal_iou", "IoU of seconds, premature beats"),
)
POINTS = (
    ("languages.en", "points of the rubric, English"),
    ("languages.zh", "points of the rubric, Chinese"),
    ("categories.objective", "points, objective"),
    ("categories.unanswerable", "points, unanswerable"),
)
SEQUENCE = ("credit=sequence",)
ENDLESS = ("decoding.max_tokens=256", "max_cut=0.05")  # a model of pages alone does not end one answer of twenty
PLAIN = ("reports.knowledge=false",)

CORPORA = {
    "demo": Corpus("tiny/corpus"),
    "synthetic": Corpus("papers/synthetic_corpus", real=True),
    "questions": Corpus("tiny/corpus", ("reports.questions=4",)),
    "grounding": Corpus("papers/grounding_corpus"),
    "grounding-plain": Corpus("papers/grounding_corpus", PLAIN),
    "grounding-test": Corpus("papers/grounding_test"),
    "grounding-plain-test": Corpus("papers/grounding_test", PLAIN),
}
STAGES = {
    "pretrain": Stage("tiny/pretrain", "tiny"),
    "sft": Stage("tiny/sft", "pretrain"),
    "grpo": Stage("tiny/grpo", "sft", "rl"),
    "grpo-sequence": Stage("tiny/grpo", "sft", "rl", SEQUENCE),
    "bp_gpt": Stage("papers/bp_gpt", "pretrain"),
    "k_merl_pretrain": Stage("papers/k_merl_pretrain", "tiny-leads"),
    "k_merl_sft": Stage("papers/k_merl_sft", "k_merl_pretrain"),
    "k_merl_grpo": Stage("papers/k_merl_grpo", "k_merl_sft", "rl"),
    "pulse": Stage("papers/pulse", "pretrain"),
    "drpo": Stage("papers/drpo", "sft", "rl"),
    "step_grpo": Stage("papers/step_grpo", "sft", "rl"),
    "ecg_r1": Stage("papers/ecg_r1", "sft", "rl"),
    "supreme": Stage("papers/supreme", "tiny"),
    "supreme_sft": Stage("tiny/sft", "supreme"),
    "real_pretrain": Stage("papers/synthetic_pretrain", "tiny", "real", corpus="synthetic"),
    "real_sft": Stage("papers/synthetic_sft", "real_pretrain", "real", corpus="synthetic"),
    "mixed_pretrain": Stage("papers/synthetic_pretrain", "tiny", "mixed", corpus="synthetic"),
    "mixed_sft": Stage("papers/synthetic_sft", "mixed_pretrain", "mixed", corpus="synthetic"),
    "simulated_pretrain": Stage("papers/synthetic_pretrain", "tiny", "simulated", corpus="synthetic"),
    "simulated_sft": Stage("papers/synthetic_sft", "simulated_pretrain", "simulated", corpus="synthetic"),
    "questions": Stage("tiny/sft", "pretrain", corpus="questions", tested="demo"),
    "grounding": Stage("papers/grounding", "pretrain", corpus="grounding", tested="grounding-test"),
    "grounding_plain": Stage("papers/grounding", "pretrain", corpus="grounding-plain", tested="grounding-plain-test"),
}
ROWS = {
    "bp_gpt": Row("BP-GPT", "alignment loss in SFT", "sft", "bp_gpt", (SUPPORTED, DIAGNOSIS)),
    "k_merl": Row("K-MERL", "tokens of each lead, leads masked and stated", "sft", "k_merl_sft",
                  (SUPPORTED, ON_ONE_LEAD), "leads"),
    "k_merl_grpo": Row("K-MERL", "the same in GRPO too", "grpo", "k_merl_grpo", (SUPPORTED, ON_ONE_LEAD), "leads"),
    "pulse": Row("PULSE", "trained on pages alone", "sft", "pulse", ON_THE_PAGE),
    "drpo": Row("QoQ-Med", "DRPO's advantages", "grpo-sequence", "drpo", (MACRO_F1, SUPPORTED)),
    "step_grpo": Row("R1-VL", "StepGRPO's rewards", "grpo-sequence", "step_grpo", (SUPPORTED, DIAGNOSIS)),
    "ecg_r1": Row("PKU's ECG-R1", "its three rewards", "grpo-sequence", "ecg_r1", (SUPPORTED, DIAGNOSIS)),
    "supreme": Row("SuPreME", "towers from text queries", "sft", "supreme_sft", (SUPPORTED, DIAGNOSIS)),
    "grounding": Row("Knowledge-decomposed grounding", "what a finding means is in the prompt", "grounding_plain",
                     "grounding", LOCALISED, benchmark="grounding"),
    "mme_finance": Row("MME-Finance", "four questions of each record beside its report", "sft", "questions", POINTS,
                       benchmark="rubric"),
    "mixed": Row("MedVLP's synthetic data", "half of 300 real records simulated instead", "real_sft", "mixed_sft",
                 (SUPPORTED, MACRO_F1)),
    "simulated": Row("MedVLP's synthetic data", "all of 300 real records simulated instead", "real_sft",
                     "simulated_sft", (SUPPORTED, MACRO_F1)),
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--records", type=Path, help="the folder that holds `ptb-xl`")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--out", type=Path, default=Path("runs/papers"))
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE")
    parser.add_argument("--corpus", nargs="+", default=[], metavar="KEY=VALUE")
    parser.add_argument("--evaluate", nargs="+", default=[], metavar="KEY=VALUE")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    if unknown := [name for name in given.rows if name not in ROWS]:
        parser.error(f"no row {unknown[0]!r}; there are {', '.join(ROWS)}")
    if given.records is None and (real := [name for name in given.rows or ROWS if needs_records(ROWS[name])]):
        parser.error(f"the row {real[0]} needs real records: give --records, the folder that holds `ptb-xl`")
    found = [line for name in given.rows or ROWS for line in measured(name, given)]
    table = as_markdown(found, given)
    print(table)
    if given.write:
        write(PAGE, table)
    print(json.dumps(found))


def measured(name: str, given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """A line for each metric of a row, over all seeds."""
    row = ROWS[name]
    seeds = [compared(name, row, seed, given) for seed in given.seeds]
    for metric, title in row.metrics:
        pairs = [tuple(value_at(found, metric) for found in one["models"]) for one in seeds]
        mean, low, high = interval([idea - baseline for baseline, idea in pairs])
        yield {
            "row": name, "source": row.source, "idea": row.said, "metric": title,
            "baseline": fmean(pair[0] for pair in pairs), "with": fmean(pair[1] for pair in pairs),
            "difference": mean, "low": low, "high": high, "cost": fmean(one["cost"] for one in seeds),
            "seeds": given.seeds,
        }  # fmt: skip


def compared(name: str, row: Row, seed: int, given: argparse.Namespace) -> dict[str, Any]:
    """The figures of both models of a row, and what the idea costs, for one seed."""
    folder = given.out / str(seed)
    for corpus in corpora(row):
        build(corpus, seed, given)
    runs = [trained(stage, seed, given) for stage in (row.baseline, row.idea)]
    if row.benchmark:
        benchmark = placed if row.benchmark == "grounding" else graded
        figures = [benchmark(stage, seed, given) for stage in (row.baseline, row.idea)]
    else:
        grid = [f"grid=[{row.grid}]"] if row.grid else []
        out = folder / "rows" / name
        models = f"models=[{', '.join(map(str, runs))}]"
        run("evaluate", "tiny/evaluate", [models, f"out={out}", *ENDLESS, *grid, *given.evaluate])
        figures = list(json.loads((out / "compare.json").read_text(encoding="utf-8"))["models"].values())
    spent = [sum(seconds(folder / stage) for stage in own) for own in own_stages(row)]
    return {"models": figures, "cost": spent[1] / spent[0]}


def trained(name: str, seed: int, given: argparse.Namespace) -> Path:
    """The run of a stage, which is trained if it is not, after those that it starts from."""
    stage, folder = STAGES[name], given.out / str(seed)
    model = trained(stage.model, seed, given) if stage.model in STAGES else stage.model
    learned, tested = (corpus_folder(name, seed, given) for name in (stage.corpus, stage.tested or stage.corpus))
    corpus = f"corpus={{train: {learned / stage.split}, evaluate: {tested / 'held-out'}}}"
    place = [f"run={folder / name}", f"model={model}", corpus, f"seed={seed}"]
    run("train", stage.recipe, [*place, *stage.overrides, *given.set])
    return folder / name


def corpora(row: Row) -> list[str]:
    """The names of what the stages of a row learn from and are tested on."""
    stages = [STAGES[name] for end in (row.baseline, row.idea) for name in chain(end)]
    return list(dict.fromkeys(name for stage in stages for name in (stage.corpus, stage.tested or stage.corpus)))


def corpus_folder(name: str, seed: int, given: argparse.Namespace) -> Path:
    folder: Path = given.out.resolve() / str(seed)
    return folder / ("corpus" if name == "demo" else f"corpus-{name}")


def build(name: str, seed: int, given: argparse.Namespace) -> None:
    """Build a corpus, unless it is there."""
    corpus = CORPORA[name]
    overrides = [f"out={corpus_folder(name, seed, given)}", f"seed={seed}", *corpus.overrides, *given.corpus]
    run("corpus", corpus.recipe, overrides, given.records if corpus.real else None)


def placed(name: str, seed: int, given: argparse.Namespace) -> dict[str, Any]:
    """How well the model of a stage says where findings are."""
    stage, of = STAGES[name], given.out / str(seed) / name
    learned, tested = (corpus_folder(corpus, seed, given) for corpus in (stage.corpus, stage.tested))
    answers = said_by("predict", str(of), "--max-tokens", "64").splitlines()[-1]
    asked = ["grounding", str(tested / "held-out"), answers, "--train", str(learned / stage.split)]
    return dict(json.loads(said_by("benchmark", *asked)))


def graded(name: str, seed: int, given: argparse.Namespace) -> dict[str, Any]:
    """The share of the rubric's points that the model of a stage gets, by language and by category."""
    of = given.out / str(seed)
    asked = of / "rubric"
    said_by("benchmark", "rubric-set", str(corpus_folder("demo", seed, given) / "held-out"), str(asked))
    answers = said_by("predict", str(of / name), "--corpus", str(asked), "--max-tokens", "128").splitlines()[-1]
    out = of / "rows" / "rubric" / name
    rules = json.loads(said_by("benchmark", "rubric", str(asked), answers, "--out", str(out)))["rules"]
    return {
        key: {one: found["points"] / MOST for one, found in rules[key].items()} for key in ("languages", "categories")
    }


def needs_records(row: Row) -> bool:
    return any(CORPORA[name].real for name in corpora(row))


def own_stages(row: Row) -> tuple[list[str], list[str]]:
    """The stages that the baseline and the idea do not share."""
    chains = [list(chain(name)) for name in (row.baseline, row.idea)]
    shared = set(chains[0]) & set(chains[1])
    first, second = ([name for name in names if name not in shared] for names in chains)
    return first, second


def chain(name: str) -> Iterator[str]:
    while name in STAGES:
        yield name
        name = STAGES[name].model


def seconds(run_folder: Path) -> float:
    """Processor seconds of a finished run."""
    return float(json.loads((run_folder / "finished.json").read_text(encoding="utf-8"))["cpu_seconds"])


def run(command: str, recipe: str, overrides: Sequence[str], folder: Path | None = None) -> None:
    """A command of the package, in this folder or in another."""
    subprocess.run([sys.executable, "-m", "ecg_r1", command, recipe, *overrides], check=True, cwd=folder)


def said_by(*command: str) -> str:
    """What a command of the package prints."""
    done = subprocess.run([sys.executable, "-m", "ecg_r1", *command], check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


def value_at(figures: Any, path: str) -> float:
    """A figure of a model's part of compare.json; NaN where it has no value."""
    for key in path.split("."):
        figures = figures[key]
    return math.nan if figures is None else float(figures)


def interval(differences: Sequence[float], level: float = 0.95) -> tuple[float, float, float]:
    """Mean and Student's t interval over seeds; the interval of one seed is NaN.

    Args:
        differences: one of each seed.
    """
    mean, count = sum(differences) / len(differences), len(differences)
    if count < 2:
        return mean, math.nan, math.nan
    deviation = math.sqrt(sum((one - mean) ** 2 for one in differences) / (count - 1))
    reach = float(stats.t.ppf((1 + level) / 2, count - 1)) * deviation / math.sqrt(count)
    return mean, mean - reach, mean + reach


def as_markdown(lines: Sequence[dict[str, Any]], given: argparse.Namespace) -> str:
    """The table as it stands in docs/papers.md, with the command that made it."""
    options = [*map(str, given.rows), "--seeds", *map(str, given.seeds)]
    for name in ("set", "corpus", "evaluate"):
        options += [f"--{name}", *getattr(given, name)] if getattr(given, name) else []
    rows = [f"`python benchmarks/papers.py {' '.join(options)}`", ""]
    rows += [
        "| source | idea | in % | baseline | with the idea | difference (95%) | cost |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in lines:
        difference = f"{100 * one['difference']:+.1f} ({100 * one['low']:+.1f}, {100 * one['high']:+.1f})"
        figures = f"{100 * one['baseline']:.1f} | {100 * one['with']:.1f} | {difference} | {one['cost']:.2f}x"
        rows.append(f"| {one['source']} | {one['idea']} | {one['metric']} | {figures} |")
    return "\n".join(rows) + "\n"


def write(page: Path, table: str) -> None:
    """Put the table between the marks of the page."""
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise SystemExit(f"{page}: the marks {BEGIN} and {END} are missing")
    page.write_text(f"{before}{BEGIN}\n{table}{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
