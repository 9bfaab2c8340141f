"""Ask a model about records: the answer as it is written, then what of it is true."""

from __future__ import annotations

import os
from collections.abc import Sequence
from os.path import isfile  # pathlib's raises where a name is too long

from rich.console import Console
from tokenizers.decoders import DecodeStream
from transformers.utils.logging import disable_progress_bar

from ecg_r1.console import cell
from ecg_r1.console import console as terminal
from ecg_r1.ecg.record import ECGRecord, read_record, require_signal
from ecg_r1.ecg.render import render
from ecg_r1.engine import Engine, Prompt, has_vllm, open_engine, require_vllm
from ecg_r1.errors import UserError
from ecg_r1.model.checkpoint import check_checkpoint, load_processor, read_config
from ecg_r1.model.processing import GEMProcessor
from ecg_r1.scoring.completion import Completion
from ecg_r1.serving.checked import checked
from ecg_r1.terminal import visible


class AskError(UserError):
    """The question cannot be asked of this model."""


def ask(
    model: str,
    records: Sequence[str],
    question: str,
    *,
    engine: str | None = None,
    max_tokens: int = 256,
    console: Console | None = None,
) -> str:
    """Print a model's greedy answer and what of it is true.

    Args:
        model: a GEM checkpoint, or a run's folder.
        records: paths that `read_record` reads; several are shown to the model in turn, each with its page.
        engine: "vllm" or "hf"; vLLM where it is installed, unless given.
        max_tokens: longest answer; the model's context may end it before.

    Returns:
        The answer.

    Raises:
        CheckpointError, RecordError: the model or a record cannot be read, or holds no signal.
        EngineUnavailable: vLLM is asked for and not installed.
        AskError: no question or no record, a question in the place of a record, or more records than the model's
            context holds.
        MediaError: the question holds a tag.
    """
    if not question.strip():
        raise AskError('the question is empty; ask one: ecg-r1 ask MODEL RECORD "Read this ECG."')
    _check_order(records, question)
    if not records:
        raise AskError('a record and a question are needed: ecg-r1 ask MODEL RECORD "Read this ECG."')
    if engine == "vllm":
        require_vllm("ask with `--engine hf`")
    console = console or terminal()
    folder = check_checkpoint(model)
    read = [require_signal(read_record(path)) for path in records]
    processor = load_processor(folder)
    config = read_config(folder)
    prompt = prompt_of(processor, read, question)
    room = config.text_config.max_position_embeddings - len(prompt.token_ids)
    if room < 1:
        raise AskError(
            f"{len(read)} records and the question are {len(prompt.token_ids)} tokens; "
            f"{model} reads {config.text_config.max_position_embeddings}"
        )
    if engine is None:
        engine = "vllm" if has_vllm() else "hf"
    for record in read:
        if record.quality:
            console.print(cell(f"{record.record_id}: {'; '.join(record.quality)}", "bright_black"))
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    disable_progress_bar()
    opened = open_engine(engine, folder, max_num_seqs=1)
    answer = _stream(opened, processor, prompt, min(room, max_tokens), console)
    console.print(checked(Completion.parse(answer), read))
    return answer


def _check_order(records: Sequence[str], question: str) -> None:
    """
    Raises:
        AskError: the last word is a record: the question is missing, or stands in the place of a record.
    """
    if not _is_record(question):
        return
    for record in records:
        if not _is_record(record):
            raise AskError(f'{question} is a record, and "{record}" is not a file: did you swap RECORD and QUESTION?')
    raise AskError(f'{question} is a record; the question is missing: ecg-r1 ask MODEL {question} "Read this ECG."')


def _is_record(word: str) -> bool:
    return isfile(word.partition("#")[0]) or isfile(f"{word}.hea")


def prompt_of(processor: GEMProcessor, records: Sequence[ECGRecord], question: str) -> Prompt:
    """Each record, with its page where the model reads pages, then the question, in the checkpoint's chat template."""
    text = processor.prompt(question, ecgs=len(records), leads=[record.leads for record in records])
    ids = processor.tokenizer(processor.expand(text), add_special_tokens=False)["input_ids"]
    size = processor.page_size
    pages = [] if size is None else [render(record, size=size) for record in records]
    return Prompt(ids, [record.signal for record in records], pages)


def _stream(engine: Engine, processor: GEMProcessor, prompt: Prompt, max_tokens: int, console: Console) -> str:
    ids: list[int] = []
    decoder = DecodeStream(skip_special_tokens=True)

    def show(new: list[int]) -> None:
        ids.extend(new)
        for token in new:  # None while a character is not whole
            piece = decoder.step(processor.tokenizer.backend_tokenizer, token)
            console.out(visible(piece or "", lines=True), end="", highlight=False)

    engine.stream(prompt, show, temperature=0.0, max_tokens=max_tokens)
    console.out("")
    return processor.tokenizer.decode(ids, skip_special_tokens=True)
