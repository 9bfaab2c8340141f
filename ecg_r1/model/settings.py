"""What the files of a checkpoint may say. They come from anywhere: nothing that they name is fetched or run."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Any

from huggingface_hub.errors import StrictDataclassError
from transformers import PreTrainedConfig
from transformers.activations import ACT2FN

from ecg_r1.errors import did_you_mean
from ecg_r1.files import read_object
from ecg_r1.model.weights import DTYPES, CheckpointError

LARGEST = 2**22  # bytes of a file of settings; those of released models have at most 100,000
MOST_LAYERS = 512  # the deepest released language model has 126
MOST_SIZE = 2**24  # of a width, a vocabulary or a context
SIZES = ("_size", "_dim", "_layers", "_heads", "_experts", "_embeddings", "samples", "leads", "channels", "_width")
READ = (  # of a checkpoint, by transformers or vLLM
    "config.json", "generation_config.json", "processor_config.json", "preprocessor_config.json",
    "video_preprocessor_config.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
    "chat_template.json", "params.json", "hf_quant_config.json", "modules.json",
)  # fmt: skip
CODE = "names code, and no code of a checkpoint is run"
FOREIGN = {
    "auto_map": CODE, "trust_remote_code": CODE, "custom_pipelines": CODE, "custom_generate": CODE,
    "kernel_config": CODE, "use_kernels": CODE, "attn_implementation": CODE, "_attn_implementation": CODE,
    "_attn_implementation_internal": CODE, "experts_implementation": CODE, "_experts_implementation": CODE,
    "_experts_implementation_internal": CODE,
    "quantization_config": "describes quantized weights, which are not read here",
    "compression_config": "describes compressed weights, which are not read here",
    "base_model_name_or_path": "names another model, and nothing is fetched",
    "gguf_file": "names other weights", "transformers_weights": "names other weights",
}  # fmt: skip

# What transformers and torch raise where a model is built from values that do not go together.
MISFIT = (
    StrictDataclassError, ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, OSError,
    RuntimeError, TypeError, ValueError,
)  # fmt: skip


def check_files(folder: Path) -> None:
    """Refuse a checkpoint of which a file is no file, lies outside the folder, or names code or another model.

    Args:
        folder: of the checkpoint.

    Raises:
        CheckpointError: an entry of the folder is a pipe, a device, or a link that leaves the folder or leads nowhere;
            an adapter lies in the place of a whole model; a file of settings is no JSON object, or has a key of
            `FOREIGN`.
    """
    for path in _entries(folder):
        check_inside(path, folder)
    if (folder / "adapter_config.json").exists():
        raise CheckpointError(f"{folder}: holds an adapter (adapter_config.json), no whole model; merge it first")
    for name in READ:
        if (folder / name).exists():
            check_foreign(read_settings(folder / name), folder / name)


def check_inside(path: Path, folder: Path) -> None:
    """Refuse what is no file of a folder. Hugging Face's cache keeps the files of `snapshots` in `blobs`.

    Args:
        path: of an entry of the folder.
        folder: of the checkpoint.

    Raises:
        CheckpointError: it is a pipe or a device, or a link that leaves the folder or leads nowhere.
    """
    real, home = Path(os.path.realpath(path)), Path(os.path.realpath(folder))
    homes = [home, home.parent.parent / "blobs"] if home.parent.name == "snapshots" else [home]
    if not any(real.is_relative_to(each) for each in homes):
        raise CheckpointError(f"{path}: a link that leaves the checkpoint's folder; put the file itself there")
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror}") from None
    if not S_ISREG(mode) and not S_ISDIR(mode):
        raise CheckpointError(f"{path}: not a regular file")


def _entries(folder: Path) -> Iterator[Path]:
    yield from sorted(folder.iterdir())
    yield from sorted(folder.glob("additional_chat_templates/*"))  # read by transformers too


def read_settings(path: Path) -> dict[str, Any]:
    """Read a JSON file of a checkpoint, such as its config.json.

    Args:
        path: of the file.

    Raises:
        CheckpointError: the file is missing, too large, or holds no JSON object.
    """
    return read_object(path, LARGEST, CheckpointError)


def check_foreign(values: Any, path: Path, place: str = "") -> None:
    """Refuse a key of `FOREIGN`, at any depth, unless its value is empty.

    Args:
        values: of the file, or of a key of it.
        path: of the file, for messages.
        place: of the values in the file, for messages.

    Raises:
        CheckpointError: there is such a key.
    """
    for key, value in values.items() if isinstance(values, Mapping) else enumerate(values):
        if key in FOREIGN and value:
            raise CheckpointError(f"{path}: {place}{key} {FOREIGN[key]}; remove the key")
        if isinstance(value, Mapping | list):
            check_foreign(value, path, f"{place}{key}.")


def check_sizes(values: Mapping[str, Any], path: Path, place: str = "") -> None:
    """Refuse a configuration that no model has, before it is built: its loops would take minutes, or the memory.

    Args:
        values: of a configuration, with those of its parts.
        path: of the file, for messages.
        place: of the values in the file, for messages.

    Raises:
        CheckpointError: a size is negative or far too large, there are too many layers, a dtype or an activation is
            unknown, or a key is a method of transformers' class.
    """
    for key, value in values.items():
        where = f"{path}: {place}{key}"
        if callable(getattr(PreTrainedConfig, key, None)) or key.startswith("__"):
            raise CheckpointError(f"{where}: no key of a configuration")
        if isinstance(value, int) and not isinstance(value, bool):
            most = MOST_LAYERS if key.endswith("layers") else MOST_SIZE
            if key.endswith(SIZES) and not 0 <= value <= most:
                raise CheckpointError(f"{where} is {_brief(value)}; it must be between 0 and {most:,}")
            if abs(value) >= 2**63:
                raise CheckpointError(f"{where} is {_brief(value)}, which is too large")
        if key in ("dtype", "torch_dtype") and value is not None and value not in FLOATS:
            raise CheckpointError(f"{where} is {_brief(value)}; known are {', '.join(FLOATS)}")
        if key == "hidden_act" and not (isinstance(value, str) and value in ACT2FN):
            raise CheckpointError(f"{where}: no activation {_brief(value)}{did_you_mean(value, ACT2FN)}")
        if isinstance(value, Mapping):
            check_sizes(value, path, f"{place}{key}.")


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Name the file whose values a library refuses. Its own checks come first; they name the key too.

    Args:
        path: of the file.

    Raises:
        CheckpointError: in place of the library's error.
    """
    try:
        yield
    except CheckpointError:
        raise
    except MISFIT as error:
        said = " ".join(str(error).split())
        raise CheckpointError(f"{path}: no model has these values ({type(error).__name__}: {said:.300})") from None


def _brief(value: Any) -> str:
    try:
        shown = repr(value)
    except ValueError:  # an integer of thousands of digits
        return "a number of thousands of digits"
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


FLOATS = [str(dtype).removeprefix("torch.") for dtype in DTYPES.values() if dtype.is_floating_point]
