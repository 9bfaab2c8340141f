"""A language model in a GGUF file, as small ones are often released -> a folder as transformers saves it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, suppress
from io import StringIO
from pathlib import Path

from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils.logging import disable_progress_bar

from ecg_r1.files import PART, read_start
from ecg_r1.locks import FolderLock
from ecg_r1.model.weights import CheckpointError

ENDING = ".gguf"
MAGIC = b"GGUF"
MOST_ENTRIES = 2**17  # tensors, and keys of the metadata; released models have some thousands


@contextmanager
def folder_of(source: Path, destination: Path) -> Iterator[Path]:
    """The folder of a source: itself, or, for a GGUF file, a folder that is there for as long as it is read.

    Args:
        source: what is to be converted.
        destination: where the checkpoint will be; the folder lies beside it, and what a killed conversion left is
            removed.

    Yields:
        The source, or the folder with the dequantised weights as safetensors, the configuration and the tokenizer.

    Raises:
        CheckpointError: the file is no GGUF file, is damaged, or holds a model that transformers cannot read.
        Locked: another process converts to the same destination.
    """
    if source.suffix.lower() != ENDING:
        yield source
        return
    _check_header(source)
    part = destination.absolute().with_name(f"{destination.absolute().name}{ENDING}{PART}")
    folder = part / source.stem
    try:
        with FolderLock(part):
            shutil.rmtree(folder, ignore_errors=True)
            try:
                _dequantise(source, folder)
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)
    finally:
        with suppress(OSError):  # it is gone already, or another conversion has just taken the lock
            part.rmdir()


def _check_header(source: Path) -> None:
    """The reader believes the counts of the header, and would fill the memory with a false one."""
    start = read_start(source, 24, CheckpointError)
    if len(start) < 24 or start[:4] != MAGIC:
        raise CheckpointError(f"{source}: truncated, or no GGUF file; fetch it again")
    for place, what in ((8, "tensors"), (16, "keys")):
        count = int.from_bytes(start[place : place + 8], "little")
        if count > MOST_ENTRIES:
            raise CheckpointError(f"{source}: its header says {count:,} {what}; at most {MOST_ENTRIES:,} are read")


def _dequantise(source: Path, folder: Path) -> None:
    try:
        import gguf  # noqa: F401  transformers' own message about it names no way to install it
    except ImportError:
        raise CheckpointError(f"{source}: reading it needs a package; pip install 'ecg-r1-gem[gguf]'") from None
    disable_progress_bar()  # of transformers: the command shows its own
    options = {"gguf_file": source.name, "local_files_only": True, "trust_remote_code": False}
    try:
        with redirect_stderr(StringIO()):  # a bar of tqdm's that cannot be switched off
            tokenizer = AutoTokenizer.from_pretrained(source.parent, **options)
            model = AutoModelForCausalLM.from_pretrained(source.parent, **options)
    except Exception as error:  # its reader and tokenizers raise whatever a damaged file leads to
        said = " ".join(str(error).split())
        raise CheckpointError(f"{source}: cannot be read ({type(error).__name__}: {said:.300})") from None
    # The weights are float32 by now; transformers refuses to save a model that it takes for a quantised one.
    model.hf_quantizer, model.is_quantized = None, False
    del model.config.quantization_config
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
