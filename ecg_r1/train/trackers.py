"""Experiment trackers: which `report_to` may name, and a table of completions for those that TRL gives none.

transformers logs the scalars to each of them. TRL logs the table to W&B and Trackio; `ECGGRPOTrainer` adds the pages
that the completions are about, and hands the same table to MLflow and SwanLab through this module. TensorBoard has no
tables: there the completions are in the run's `completions/*.parquet` alone, as they are in any case.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from packaging.version import Version

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

TRACKERS = {  # transformers' name: the module, and what to install
    "tensorboard": ("tensorboard", "tensorboard"),
    "wandb": ("wandb", "wandb"),
    "trackio": ("trackio", "trackio"),
    "swanlab": ("swanlab", "swanlab"),
    "mlflow": ("mlflow", "mlflow"),
    "comet_ml": ("comet_ml", "comet-ml"),
    "neptune": ("neptune", "neptune"),
    "clearml": ("clearml", "clearml"),
    "codecarbon": ("codecarbon", "codecarbon"),
    "dagshub": ("dagshub", "dagshub mlflow"),
    "dvclive": ("dvclive", "dvclive"),
    "flyte": ("flytekit", "flytekit"),
    "azure_ml": ("azureml", "azureml-core"),
    "kubeflow": ("kubeflow", "kubeflow"),
}
BY_TRL = ("wandb", "trackio")  # these get their table from TRL
# The first release whose `get_run` raises before a run has begun: transformers' callback calls it then.
TOO_NEW = {"swanlab": "0.8"}


def unusable(name: str) -> str | None:
    """Why a tracker cannot be used; None where it can. `all` is whatever is installed, `none` none."""
    if name in ("all", "none"):
        return None
    if name not in TRACKERS:
        return f"{name!r} is not one of {', '.join(TRACKERS)}, all, none"
    module, package = TRACKERS[name]
    if find_spec(module) is None:
        return f"{name} is not installed: pip install {package}"
    if name in TOO_NEW and Version(version(package)) >= Version(TOO_NEW[name]):
        return f"{name} {version(package)} does not fit transformers' callback: pip install '{package}<{TOO_NEW[name]}'"
    return None


def has_table(trackers: Sequence[str]) -> bool:
    """Whether one of the trackers shows a table of completions."""
    return any(name in BY_TRL or name in TABLES for name in trackers)


def log_completions(
    trackers: Sequence[str], table: pd.DataFrame, pages: Sequence[np.ndarray | None], step: int
) -> None:
    """Log a table of completions, with their scores and pages, to the trackers that get none from TRL.

    Args:
        trackers: of the run; a name that has no entry in `TABLES` is skipped.
        table: a row for each completion.
        pages: uint8 (S, S, 3) for each row, None where the model was shown no page; empty where pages are not logged.
        step: of the training.
    """
    for name in trackers:
        if name in TABLES:
            TABLES[name](table, pages, step)


def _mlflow(table: pd.DataFrame, pages: Sequence[np.ndarray | None], step: int) -> None:
    import mlflow
    import numpy as np

    if pages:
        blank = np.full((1, 1, 3), 255, np.uint8)  # a column of images takes nothing else
        shown: list[Any] = [mlflow.Image(blank if page is None else page) for page in pages]
        table = table.assign(page=shown)
    mlflow.log_table(table, f"completions/{step:05d}.json")


def _swanlab(table: pd.DataFrame, pages: Sequence[np.ndarray | None], step: int) -> None:
    import swanlab

    rows = swanlab.echarts.Table()
    rows.add(list(table.columns), table.astype(str).values.tolist())
    shown = [
        swanlab.Image(page, caption=text)
        for page, text in zip(pages, table["completion"], strict=False)
        if page is not None
    ]
    swanlab.log({"completions": rows} | ({"pages": shown} if shown else {}), step=step)


TABLES: dict[str, Callable[[pd.DataFrame, Sequence[np.ndarray | None], int], None]] = {
    "mlflow": _mlflow,
    "swanlab": _swanlab,
}
