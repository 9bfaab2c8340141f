"""The source's tokenizer with an id for each placeholder; LLaVA's own placeholder has no id."""

from __future__ import annotations

from pathlib import Path

from tokenizers import processors
from transformers import AddedToken, AutoTokenizer, LlamaTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from ecg_r1.model.processing import GEMProcessor
from ecg_r1.model.tokenizer import LLAVA_V1_TEMPLATE
from ecg_r1.model.weights import CheckpointError

FILES = ("tokenizer.model", "tokenizer.json", "vocab.json")


def tokenizer_of(folder: Path, *, pages: bool, llava_llama: bool) -> PreTrainedTokenizerBase:
    """The tokenizer of a checkpoint's folder, with tokens for the media and a chat template.

    Args:
        folder: of the source.
        pages: the model reads pages: `<image>` is added beside `<ecg>`.
        llava_llama: the source is a LLaVA around a Llama, as GEM is: its wording is `llava_v1`. Other sources keep
            their chat template, if they have one.

    Raises:
        CheckpointError: the folder has no tokenizer, or a damaged one.
    """
    if not any((folder / name).is_file() for name in FILES):
        raise CheckpointError(f"{folder}: no tokenizer ({', '.join(FILES)}); fetch it beside the weights")
    try:
        tokenizer = _as_llava(folder) if llava_llama else _as_it_is(folder)
    except Exception as error:  # tokenizers raises `Exception` itself for a damaged file
        said = " ".join(str(error).split())
        raise CheckpointError(
            f"{folder}: its tokenizer cannot be opened ({type(error).__name__}: {said:.300})"
        ) from None
    tags = [GEMProcessor.ecg_token, *([GEMProcessor.image_token] if pages else [])]
    tokenizer.add_tokens([AddedToken(tag, special=True, normalized=False) for tag in tags], special_tokens=True)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.unk_token or tokenizer.eos_token  # GEM pads with <unk>
    if llava_llama or tokenizer.chat_template is None:
        tokenizer.chat_template = LLAVA_V1_TEMPLATE
    tokenizer.padding_side = "left"
    return tokenizer


def _as_it_is(folder: Path) -> PreTrainedTokenizerBase:
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    tokenizer.init_kwargs.pop("auto_map", None)  # names code of the source's own
    return tokenizer


def _as_llava(folder: Path) -> PreTrainedTokenizerFast:
    """Llama's tokenizer as LLaVA calls it: the text before `<image>` and the text after it each begin with "▁".

    transformers writes the second "▁" in `legacy` mode only, and does not save that mode with a LlamaTokenizer, so a
    plain fast tokenizer is returned. It adds no <s>, because the chat template writes it.
    """
    llama = LlamaTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False, legacy=True)
    backend = llama.backend_tokenizer
    backend.post_processor = processors.TemplateProcessing(single="$A", pair="$A $B")
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token=llama.bos_token,
        eos_token=llama.eos_token,
        unk_token=llama.unk_token,
        pad_token=llama.pad_token,
        model_max_length=llama.model_max_length,
        clean_up_tokenization_spaces=False,
    )
