"""The processes of a run: what must stand before torch is imported, and several of them."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from ecg_r1.engine.quiet import quieten
from ecg_r1.locks import TOKEN
from ecg_r1.recipe import RecipeError, RunRecipe
from ecg_r1.train.extensions import extensions_folder

PDEATHSIG = 1  # of prctl(2)
LAUNCHER = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def set_environment(*, errors_alone: bool = False) -> None:
    """What must stand before torch, vLLM or DeepSpeed is imported.

    Args:
        errors_alone: as `quieten`.
    """
    defaults = {
        "OMP_WAIT_POLICY": "PASSIVE",  # spinning OpenMP threads starve each other on a busy machine (7-11x)
        "GOMP_SPINCOUNT": "0",
        "TORCH_EXTENSIONS_DIR": str(extensions_folder()),
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "TRANSFORMERS_VERBOSITY": "error",
        # DeepSpeed asks for mpi4py unless the variables of a launcher are set.
        "RANK": "0",
        "LOCAL_RANK": "0",
        "WORLD_SIZE": "1",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": "0",  # whichever is free when one process listens: a port drawn earlier may be taken by then
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    quieten(errors_alone=errors_alone)


def launched() -> bool:
    """Whether a launcher (torchrun, deepspeed, or whoever sets the same variables) started this process for a run."""
    return "TORCHELASTIC_RUN_ID" in os.environ or os.environ.get("WORLD_SIZE", "1") != "1"


def speaks() -> bool:
    """Whether this process is the one of its run that says where the result lies."""
    return TOKEN not in os.environ and os.environ.get("RANK", "0") == "0"


def check_launcher(recipe: RunRecipe, path: str) -> None:
    """Check the variables that a launcher sets.

    Args:
        path: the recipe's file, for messages.

    Raises:
        RecipeError: one is missing, or there are other processes than the recipe's: each would train by itself.
    """
    if missing := [name for name in LAUNCHER if name not in os.environ]:
        raise RecipeError(
            f"the launcher set WORLD_SIZE, but not {', '.join(missing)}; start the run with torchrun or deepspeed"
        )
    if os.environ["WORLD_SIZE"] != str(recipe.processes):
        started = os.environ["WORLD_SIZE"]
        raise RecipeError(
            f'{path}: "processes": {recipe.processes}, but the launcher started {started}; add processes={started}'
        )


def check_once(path: str, overrides: list[str]) -> None:
    """Check the same command in one process, before several run it, so that an error is said once.

    Raises:
        SystemExit: something is wrong; it has been printed.
    """
    command = [sys.executable, "-m", "ecg_r1", "train", path, *overrides, "--dry-run"]
    if code := subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode:
        sys.exit(code)


def spawn(recipe: RunRecipe, path: str, overrides: list[str], environment: dict[str, str]) -> None:
    """Run the same command in `recipe.processes` processes.

    Args:
        path: the recipe's file.
        overrides: of the command line.
        environment: variables that the processes get beside this one's.

    Raises:
        SystemExit: a process failed; its error has been printed.
    """
    torchrun = ["-m", "ecg_r1.train.torchrun", "--standalone", f"--nproc_per_node={recipe.processes}"]
    command = [sys.executable, *torchrun, "-m", "ecg_r1", "train", path, *overrides]
    done = subprocess.run(command, env=os.environ | environment, preexec_fn=end_with_parent, check=False)
    if code := done.returncode:
        sys.exit(code)


def end_with_parent() -> None:
    """Let this process be killed when its parent ends, however that ends.

    torchrun puts each rank into a session of its own, so no signal to the command's process group reaches them: they
    would train on, and write, after the command and torchrun were killed. Linux alone can do it.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def meet_on_cpu(recipe: RunRecipe) -> None:
    """Without a GPU accelerate would leave DeepSpeed with a world of one: the processes meet before."""
    if recipe.processes == 1 or not recipe.deepspeed:
        return
    import torch

    if not torch.cuda.is_available():
        from deepspeed import comm

        comm.init_distributed(dist_backend="gloo", auto_mpi_discovery=False)


def whole(model: Any) -> AbstractContextManager[Any]:
    """Under ZeRO-3 every rank holds a slice of each parameter: gather them while the model is saved."""
    from transformers.integrations import is_deepspeed_zero3_enabled

    if not is_deepspeed_zero3_enabled():
        return nullcontext()
    from deepspeed import zero

    return zero.GatheredParameters(list(model.parameters()))
