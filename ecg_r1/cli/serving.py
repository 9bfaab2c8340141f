"""Commands of a model at work: serve, ask, doctor."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from ecg_r1.cli.parameters import Engine, Overrides

app = typer.Typer()


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def serve(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="A checkpoint, or a run's folder")],
    allow_text_only: Annotated[
        bool, typer.Option("--allow-text-only", help="Answer requests without an ECG too; by default they are refused")
    ] = False,
    api_key_file: Annotated[
        Path | None, typer.Option(help="A file with the key that every request but /health must show")
    ] = None,
    allowed_host: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A name by which clients call this server; repeatable")
    ] = None,
    request_timeout: Annotated[float, typer.Option(help="Seconds in which a request must be answered")] = 300,
) -> None:
    """Serve a model over HTTP. All other options are vLLM's own: --port 8000, --host, --max-model-len …

    Other machines reach the server with --host, and only with a key: --api-key-file, or the variable VLLM_API_KEY.
    """
    with suppress(ModuleNotFoundError):  # it comes with vLLM, without which nothing is served
        from setproctitle import setproctitle

        setproctitle(f"ecg-r1 serve {model}")  # a key among the options is not for the list of processes
    from ecg_r1.serving.server import serve as run

    run(
        model,
        context.args,
        allow_text_only=allow_text_only,
        key_file=api_key_file,
        allowed_hosts=allowed_host or (),
        seconds=request_timeout,
    )


@app.command("rollout-server", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def rollout_server(
    context: typer.Context,
    recipe: Annotated[str, typer.Argument(metavar="RECIPE|RUN", help="A GRPO recipe with `rollout.mode: server`")],
    override: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Over the recipe's own; repeatable")
    ] = None,
    allowed_host: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A name by which trainers call this server; repeatable")
    ] = None,
) -> None:
    """Generate the rollouts of a GRPO run, on other GPUs or another machine. Other options are vLLM's: --port 8100 …

    It has the weights of the recipe's `model:` until the trainer sends its own. Other machines reach it with --host.
    """
    from ecg_r1.recipe import GRPORecipe, RecipeError, read_recipe
    from ecg_r1.runs.layout import RECIPE
    from ecg_r1.serving.server import serve_rollouts

    path = str(Path(recipe) / RECIPE) if Path(recipe, RECIPE).is_file() else recipe
    read = read_recipe(path, override or [])
    if not isinstance(read, GRPORecipe):
        raise RecipeError(f"{path}: this is no GRPO recipe; a finished model is served with `ecg-r1 serve`")
    serve_rollouts(read, path, context.args, allowed_hosts=allowed_host or ())


@app.command()
def doctor(
    recipe: Annotated[str | None, typer.Argument(help="A recipe to be run here", show_default=False)] = None,
    overrides: Overrides = None,
    measured: Annotated[
        Path | None, typer.Option(help="Predict time: a run on such devices, or what benchmarks/gpu.py printed on one")
    ] = None,
    price: Annotated[float | None, typer.Option(min=0, help="And cost: what a device costs an hour")] = None,
) -> None:
    """Check whether this machine can run a recipe, and say what to do. Exit code 1 if it cannot."""
    from ecg_r1.doctor import examine, show
    from ecg_r1.recipe import RecipeError, RunRecipe

    if (price is not None and measured is None) or (measured is not None and recipe is None):
        raise RecipeError("--price needs --measured, and --measured needs a recipe")

    def check(run: RunRecipe, path: str) -> None:
        from ecg_r1.engine.quiet import quieten
        from ecg_r1.train.options import check_options

        check_options(run, path)
        quieten(errors_alone=True)
        from ecg_r1.train.arguments import check_names

        check_names(run, path)

    findings = examine(recipe, overrides or [], check, measured, price)
    show(findings)
    raise typer.Exit(1 if any(finding.status == "blocks" for finding in findings) else 0)


@app.command()
def ask(
    model: Annotated[str, typer.Argument(help="A checkpoint, or a run's folder")],
    asked: Annotated[list[str], typer.Argument(metavar="RECORD… QUESTION", help="One record or several, the question")],
    engine: Annotated[Engine | None, typer.Option(help="Who generates; vLLM where it is installed")] = None,
    max_tokens: Annotated[int, typer.Option(min=1, help="Tokens the answer may have")] = 256,
) -> None:
    """Ask about a record; each quoted value is shown beside the measured one."""
    *records, question = asked
    from ecg_r1.serving.ask import ask as run

    run(model, records, question, engine=engine.value if engine else None, max_tokens=max_tokens)
