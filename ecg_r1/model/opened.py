"""The processor of a checkpoint, checked against its configuration and tried on a question before anyone uses it."""

from __future__ import annotations

import multiprocessing
import resource
from collections.abc import Iterator, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil
from transformers.models.auto.tokenization_auto import TOKENIZER_MAPPING_NAMES

from ecg_r1.errors import did_you_mean
from ecg_r1.model.configuration import GEMConfig
from ecg_r1.model.processing import ECGFeatureExtractor, GEMProcessor, SignalProcessor
from ecg_r1.model.settings import read_settings
from ecg_r1.model.weights import CheckpointError

PROCESSORS = {cls.__name__: cls for cls in (GEMProcessor, SignalProcessor)}
TOKENIZERS = {name for name in TOKENIZER_MAPPING_NAMES.values() if name} | {"PreTrainedTokenizer", "TokenizersBackend"}
CLASSES = {  # keys that name a class, and the names that are known
    "processor_class": [*PROCESSORS],
    "feature_extractor_type": [ECGFeatureExtractor.__name__],
    "image_processor_type": ["CLIPImageProcessor", "CLIPImageProcessorFast", "CLIPImageProcessorPil"],
    "tokenizer_class": sorted(TOKENIZERS | {f"{name.removesuffix('Fast')}Fast" for name in TOKENIZERS}),
}
FILES = ("processor_config.json", "tokenizer_config.json", "tokenizer.json")
SECONDS = 2  # of processor time, for two prompts that take milliseconds
MEMORY = 2**29  # bytes, beside what the process has


def open_processor(folder: Path, config: GEMConfig) -> GEMProcessor:
    """Open the processor of a checkpoint.

    Args:
        folder: of the checkpoint.
        config: of the model.

    Raises:
        CheckpointError: a file of it is missing or damaged, it names an unknown class, it does not fit the model, or
            its chat template fails on a question.
    """
    for name in FILES:
        if not (folder / name).is_file():
            raise CheckpointError(f"{folder}: no {name}; copy it from where the checkpoint comes from")
    for name in ("processor_config.json", "preprocessor_config.json", "tokenizer_config.json"):
        if (folder / name).is_file():
            for key, value in _classes(read_settings(folder / name)):
                if not isinstance(value, str) or value not in CLASSES[key]:
                    near = did_you_mean(value, CLASSES[key])
                    raise CheckpointError(f"{folder / name}: {key} is {value!r:.80}, which is not known{near}")
    file = folder / FILES[0]
    cls = PROCESSORS.get(str(read_settings(file).get("processor_class")))
    if cls is None:
        raise CheckpointError(f"{file}: processor_class is missing; known are {', '.join(PROCESSORS)}")
    try:
        processor = cls.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # tokenizers raises `Exception` itself for a damaged file
        said = " ".join(str(error).split())
        raise CheckpointError(
            f"{folder}: its processor or tokenizer cannot be opened ({type(error).__name__}: {said:.300})"
        ) from None
    for what, found, wanted in _facts(processor, config):
        if found != wanted:
            raise CheckpointError(f"{folder}: {what} is {found!r:.80}; the model of config.json needs {wanted!r}")
    _try(processor, folder)
    return processor


def _classes(values: Any) -> Iterator[tuple[str, Any]]:
    """The keys of a file that name a class, at any depth."""
    for key, value in values.items() if isinstance(values, Mapping) else enumerate(values):
        if key in CLASSES and value is not None:
            yield key, value
        elif isinstance(value, Mapping | list):
            yield from _classes(value)


def _facts(processor: GEMProcessor, config: GEMConfig) -> Iterator[tuple[str, Any, Any]]:
    """What the processor's files say, as it is found there and as the model needs it."""
    tower, vision, tokenizer = config.ecg_config, config.vision_config, processor.tokenizer
    wanted = SignalProcessor if vision is None else GEMProcessor
    yield "processor_class", type(processor).__name__, wanted.__name__
    yield "num_ecg_tokens", processor.num_ecg_tokens, config.num_ecg_tokens
    for key in ("samples", "lead_order", "sampling_rate"):
        yield f"feature_extractor.{key}", getattr(processor.feature_extractor, key), getattr(tower, key)
    yield "the id of <ecg>", processor.ecg_token_id, config.ecg_token_id
    if vision is not None:
        side = vision.image_size
        yield "num_image_tokens", processor.num_image_tokens, config.num_image_tokens
        yield "image_processor.crop_size", dict(processor.image_processor.crop_size), {"height": side, "width": side}
        yield "image_processor.size", {*dict(processor.image_processor.size).values()} - {None}, {side}
        yield "the id of <image>", processor.image_token_id, config.image_token_id
    yield "system", processor.system, processor.system if isinstance(processor.system, str) else None
    yield "states_leads", processor.states_leads, processor.states_leads is True
    yield "the tokenizer's size", len(tokenizer), min(len(tokenizer), config.text_config.vocab_size)
    yield "the tokenizer has an end of text", tokenizer.eos_token_id is not None, True


def _try(processor: GEMProcessor, folder: Path) -> None:
    """Write a question in a process of its own: jinja's sandbox lets a template read nothing, but loop for ever.

    Raises:
        CheckpointError: the chat template or the tokenizer fails, takes too long or too much memory, or leaves out
            the placeholders.
    """
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_write, args=(processor, theirs), daemon=True)
    child.start()
    theirs.close()
    try:
        fault = ours.recv() if ours.poll(60 * SECONDS) else "takes too long"
    except EOFError:
        fault = f"takes more than {SECONDS} s of processor time, or too much memory"
    finally:
        child.kill()
        child.join()
    if fault:
        raise CheckpointError(f"{folder}: its chat template or tokenizer {fault}")


def _write(processor: GEMProcessor, pipe: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    most = psutil.Process().memory_info().vms + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    fault = ""
    try:
        for ecgs in (1, 2):
            text = processor.prompt("Read this ECG.", ecgs=ecgs)
            if text.count(processor.ecg_token) != ecgs:
                fault = f"writes {text.count(processor.ecg_token)} {processor.ecg_token} for {ecgs}"
            processor.tokenizer(processor.expand(text), add_special_tokens=False)
    except Exception as error:  # whatever a template raises
        fault = f"fails: {type(error).__name__}: {' '.join(repr(str(error)).split()):.300}"
    pipe.send(fault)
