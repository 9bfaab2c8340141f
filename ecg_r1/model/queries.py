"""Text queries to an ECG tower: is this statement true of this ECG? (the fusion of SuPreME, arXiv 2502.19668)

A query is the embedding of a statement's words. It attends to the tower's tokens and becomes one logit. The queries of
an ECG do not see each other, so a statement that training never named can be asked for in the same way.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from ecg_r1.ecg.vocabulary import vocabulary
from ecg_r1.files import read_json, write_atomically
from ecg_r1.model.weights import CheckpointError

LETTERS = "letters"  # embeds by the letters alone, without a model
LETTERS_WIDTH, GRAM = 256, 3
WORDINGS = 5  # of a statement that a query names: its name and synonyms
WEIGHTS, CONFIG = "head.safetensors", "queries.json"


def query_text(name: str) -> str:
    """The words of a statement's query: its name and some of its synonyms; the name alone where it is unknown."""
    statement = vocabulary().find(name)
    return ", ".join(dict.fromkeys([name, *(statement.wordings[:WORDINGS] if statement else ())]))


def embed(texts: Sequence[str], encoder: str) -> torch.Tensor:
    """Embeddings of texts, of length 1.

    Args:
        encoder: `LETTERS`, or the folder of a sentence encoder that transformers reads; its tokens' mean is taken.

    Returns:
        float32 (texts, width).

    Raises:
        CheckpointError: the folder holds no such encoder.
    """
    rows = _by_letters(texts) if encoder == LETTERS else _by_model(texts, encoder)
    return nn.functional.normalize(rows, dim=1)


def _by_letters(texts: Sequence[str]) -> torch.Tensor:
    """Counts of hashed letter trigrams."""
    rows = torch.zeros(len(texts), LETTERS_WIDTH)
    for row, text in zip(rows, texts, strict=True):
        padded = f"  {text.lower()}  "
        for start in range(len(padded) - GRAM + 1):
            row[zlib.crc32(padded[start : start + GRAM].encode()) % LETTERS_WIDTH] += 1
    return rows


@torch.no_grad()
def _by_model(texts: Sequence[str], folder: str) -> torch.Tensor:
    from transformers import AutoModel, AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        model = AutoModel.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, use_safetensors=True
        ).eval()
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{folder}: no sentence encoder: {str(error).splitlines()[0]}") from error
    batch = tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt")
    hidden, mask = model(**batch).last_hidden_state, batch["attention_mask"].unsqueeze(-1)
    return (hidden * mask).sum(1) / mask.sum(1)


class QueryHead(nn.Module):
    """Tokens of an ECG tower and embedded queries -> one logit for each query.

    Args:
        text_width: of the queries' embeddings.
        width: of the tower's tokens.
        heads: of the attention.
    """

    def __init__(self, text_width: int, width: int, heads: int):
        super().__init__()
        self.shape = {"text_width": text_width, "width": width, "heads": heads}
        self.project = nn.Linear(text_width, width)
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.norm_tokens, self.norm_attended = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, 1))

    def forward(self, tokens: torch.Tensor, queries: torch.Tensor) -> torch.Tensor:
        """Logits (B, Q) of tokens (B, T, width) and queries (Q, text_width)."""
        asked = self.project(queries).expand(len(tokens), -1, -1)
        keys = self.norm_tokens(tokens)
        attended, _ = self.attention(asked, keys, keys, need_weights=False)
        return self.mlp(self.norm_attended(asked + attended)).squeeze(-1)

    def save(self, folder: Path, encoder: str, trained: Sequence[str]) -> None:
        """Write the head, what embeds its queries, and the statements that it was trained on."""
        folder.mkdir(parents=True, exist_ok=True)
        save_file({name: tensor.contiguous() for name, tensor in self.state_dict().items()}, folder / WEIGHTS)
        facts = {"shape": self.shape, "encoder": encoder, "trained": list(trained)}
        write_atomically(folder / CONFIG, json.dumps(facts, indent=1, ensure_ascii=False))


def load_head(folder: Path) -> tuple[QueryHead, str, tuple[str, ...]]:
    """The head of a folder that `QueryHead.save` wrote, its encoder, and the statements that it was trained on.

    Raises:
        CheckpointError: the folder holds none, or a damaged one.
    """
    facts = read_json(folder / CONFIG)
    try:
        head = QueryHead(**facts["shape"])
        head.load_state_dict(load_file(folder / WEIGHTS))
        return head.eval(), str(facts["encoder"]), tuple(map(str, facts["trained"]))
    except (OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(
            f"{folder}: no text queries here ({type(error).__name__}); train them with `queries:` in a recipe of stage "
            "pretrain"
        ) from error
