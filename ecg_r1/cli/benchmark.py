"""What models are held against: benchmarks, and baselines without a language model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from ecg_r1.cli.parameters import named_folders
from ecg_r1.terminal import say

app = typer.Typer(help="Benchmarks: score answers from files, rank results, export tasks.", no_args_is_help=True)

Items = Annotated[Path, typer.Argument(help="The benchmark's file: a JSON list or JSON lines")]
Answers = Annotated[Path, typer.Argument(help="JSON lines of {question_id or id, text or response}")]


def _print(figures: dict[str, Any]) -> None:
    say(json.dumps(figures, indent=2, ensure_ascii=False))


@app.command()
def ecgbench(
    items: Annotated[Path, typer.Argument(help="Folder of ECGBench's files, <subset>.json or .jsonl")],
    answers: Annotated[Path, typer.Argument(help="Folder of the answers, <subset>.jsonl")],
    compat: Annotated[bool, typer.Option("--compat", help="As published, faults included; strict otherwise")] = False,
) -> None:
    """ECGBench: choices, labels and ECG-QA, of the subsets for which both folders hold a file."""
    from ecg_r1.evaluation.benchmarks import ecgbench_compat, ecgbench_strict
    from ecg_r1.evaluation.benchmarks.items import BenchmarkError, read_items

    subsets = {}
    for name in ecgbench_compat.ORDER:
        there = [items / f"{name}{ending}" for ending in (".json", ".jsonl") if (items / f"{name}{ending}").is_file()]
        said = answers / f"{name}.jsonl"
        if there and said.is_file():
            subsets[name] = (read_items(there[0]), read_items(said))
    if not subsets:
        names = ", ".join(ecgbench_compat.ORDER)
        raise BenchmarkError(f"{items} and {answers}: no subset has a file in both; they are named {names}")
    _print((ecgbench_compat if compat else ecgbench_strict).score(subsets))


@app.command(name="ecg-qa")
def ecg_qa(items: Items, answers: Answers) -> None:
    """ECG-QA: exact match of the set of answers; `id` of an answer is the item's sample_id."""
    from ecg_r1.evaluation.benchmarks.ecgqa import score
    from ecg_r1.evaluation.benchmarks.items import read_items

    _print(score(read_items(items), read_items(answers)))


@app.command()
def reasoning(
    items: Annotated[Path, typer.Argument(help="Items with `model_response` in each question, or the steps")],
    answers: Annotated[Path | None, typer.Argument(help="Answers to the split of the steps")] = None,
) -> None:
    """ECG-Reasoning-Benchmark: initial accuracy, Completion, Depth, and the accuracy of each step."""
    from ecg_r1.evaluation.benchmarks.items import read_items
    from ecg_r1.evaluation.benchmarks.reasoning import score
    from ecg_r1.evaluation.benchmarks.reasoning_set import answered

    _print(score(read_items(items) if answers is None else answered(items, answers)))


@app.command(name="reasoning-set")
def reasoning_set(
    source: Annotated[Path, typer.Argument(help="The split that `ecg-r1 corpus` made of the benchmark's file")],
    out: Annotated[Path, typer.Argument(help="Folder of the new split")],
) -> None:
    """ECG-Reasoning-Benchmark step by step: a split with one example a question, for `ecg-r1 evaluate`."""
    from ecg_r1.evaluation.benchmarks.reasoning_set import write_steps

    say(write_steps(source, out))


@app.command()
def grounding(
    items: Annotated[Path, typer.Argument(help="A JSON list or JSON lines of items, or a split that asks for leads")],
    answers: Answers,
    train: Annotated[Path | None, typer.Option(help="The split learned from: which findings it asked about")] = None,
) -> None:
    """Localisation of findings: lead Jaccard, temporal IoU, IoU and AP@0.5 of boxes on the page."""
    from ecg_r1.evaluation.benchmarks.grounding import score
    from ecg_r1.evaluation.benchmarks.grounding_set import located
    from ecg_r1.evaluation.benchmarks.items import BenchmarkError, read_items

    if items.is_dir():
        _print(score(*located(items, answers, train)))
    elif train is not None:
        raise BenchmarkError(f"--train is for a split; the items of {items} say themselves whether they were `seen`")
    else:
        _print(score(read_items(items), read_items(answers)))


Split = Annotated[Path, typer.Argument(help="The split that was asked")]
Answered = Annotated[Path, typer.Argument(help="A file of answers, in any shape that a comparison reads")]
JudgedBy = Annotated[
    str | None, typer.Option("--judge", help="URL or YAML file of an endpoint that judges too; rules alone otherwise")
]


@app.command()
def grounded(
    corpus: Split,
    answers: Answered,
    judge: JudgedBy = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of grounded.json")] = Path("runs/grounded"),
) -> None:
    """Grounded ECG Understanding: eight criteria by rules, and by a language model, with their agreement."""
    from ecg_r1.evaluation.benchmarks.judged import judge_grounded

    _print(judge_grounded(corpus, answers, judge, out))


@app.command()
def rubric(
    corpus: Split,
    answers: Answered,
    judge: JudgedBy = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of rubric.json")] = Path("runs/rubric"),
) -> None:
    """0 to 5 points an answer, by rules with tolerance bands, and by a language model, with their agreement."""
    from ecg_r1.evaluation.benchmarks.judged import judge_rubric

    _print(judge_rubric(corpus, answers, judge, out))


@app.command(name="rubric-set")
def rubric_set(
    source: Annotated[Path, typer.Argument(help="The split whose records are asked about")],
    out: Annotated[Path, typer.Argument(help="Folder of the new split")],
    language: Annotated[list[str] | None, typer.Option(help="en or zh; both unless given")] = None,
    records: Annotated[int, typer.Option(min=1, help="That are drawn")] = 100,
    seed: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """The questions of the rubric about a split's records, as a split that `ecg-r1 evaluate` takes as `corpus`."""
    from ecg_r1.evaluation.benchmarks.rubric_set import LANGUAGES, write_set

    say(write_set(source, out, language or LANGUAGES, records, seed))


@app.command()
def leaderboard(
    results: Annotated[list[Path], typer.Argument(help="measured-claims.json files, their folders, or leaderboards")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write them as one file of JSON lines")] = None,
) -> None:
    """Results of measured-claims side by side, best first; all of one set."""
    from ecg_r1.evaluation.benchmarks.leaderboard import print_results, read_results, write_leaderboard

    read = read_results(results)
    if out is not None:
        write_leaderboard(read, out)
    print_results(read)


@app.command()
def export(
    out: Annotated[Path, typer.Argument(help="Folder that is written")],
    records: Annotated[
        list[str] | None, typer.Option(help="DATASET=FOLDER: adds the public records that the benchmark names")
    ] = None,
) -> None:
    """measured-claims as one folder for inspect_ai, lm-evaluation-harness and verifiers."""
    from ecg_r1.evaluation.benchmarks.measured_claims import build_set
    from ecg_r1.evaluation.harness.export import export as write

    say(write(build_set(named_folders(records or [])), out))


def baseline(
    train: Annotated[Path, typer.Argument(help="The split that the baselines are fitted on")],
    corpus: Annotated[Path, typer.Argument(help="The split that they answer")],
    kinds: Annotated[list[str] | None, typer.Option("--kind", help="One of them; all unless given")] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the baselines' folders")] = Path("runs/baselines"),
    seed: Annotated[int, typer.Option(min=0, help="Of everything that is drawn at random")] = 0,
) -> None:
    """Answers of majority, rules, logistic, forest, xgboost, cnn and random-tower, for `ecg-r1 compare`."""
    from ecg_r1.evaluation.baselines.write import write

    for folder in write(kinds or [], train, corpus, out, seed):
        say(folder)


def zero_shot(
    runs: Annotated[list[Path], typer.Argument(help="Runs of stage pretrain with `queries:`, a control first")],
    corpus: Annotated[Path, typer.Option(help="The split whose statements are asked for")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of zero-shot.json")] = Path("runs"),
) -> None:
    """Area under the ROC curve of statements that are asked for by their words; the last run less each earlier."""
    from ecg_r1.evaluation.zero_shot import zero_shot as run

    found = run(runs, corpus, out)
    _print({"runs": {k: {g: v[g] for g in v if g != "statements"} for k, v in found["runs"].items()}})
    _print({"differences": found["differences"]})
