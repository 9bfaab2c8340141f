"""Names of tensors in released checkpoints -> our names. A rule renames a tensor, or drops it for a reason."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ecg_r1.model.checkpoint import PARTS
from ecg_r1.model.weights import CheckpointError, Stored, few, inventory


@dataclass(frozen=True)
class Rule:
    """What becomes of the tensors whose whole name matches a pattern.

    Attributes:
        pattern: a regular expression.
        target: the new name, a replacement as `re.sub` takes it; None to drop the tensor.
        reason: why it is dropped.
    """

    pattern: str
    target: str | None
    reason: str = ""


@dataclass
class Assignment:
    """What became of the source tensors so far.

    Attributes:
        used: our name -> source tensor.
        dropped: the other source tensors, each with the reason.
    """

    used: dict[str, Stored] = field(default_factory=dict)
    dropped: list[tuple[Stored, str]] = field(default_factory=list)

    def take(self, path: Path, rules: Sequence[Rule]) -> None:
        """Rename or drop every tensor of a checkpoint, each by the first rule that matches it.

        Args:
            path: a file, or a folder of shards.
            rules: in order of precedence.

        Raises:
            CheckpointError: no rule matches a tensor; and as `inventory`.
        """
        unknown = []
        for name, tensor in inventory(path).items():
            match, rule = next(((m, rule) for rule in rules if (m := re.fullmatch(rule.pattern, name))), (None, None))
            if match is None or rule is None:
                unknown.append(name)
            elif rule.target is None:
                self.dropped.append((tensor, rule.reason))
            else:
                self.used[match.expand(rule.target)] = tensor
        if unknown:
            raise CheckpointError(f"{path}: tensors of another architecture: {few(unknown)}")

    def has(self, part: str) -> bool:
        """Whether a tensor of a part (a key of `PARTS`) has been found."""
        return any(name.startswith(PARTS[part]) for name in self.used)


def _tower(prefix: str) -> tuple[Rule, ...]:
    """ECG-CoCa's ECG encoder (open_clip's transformer in one dimension) under `prefix`."""
    ours, block = "model.ecg_tower.", prefix + r"transformer\.resblocks\.(\d+)\."
    return (
        Rule(prefix + r"conv1\.weight", ours + "stem.0.weight"),
        Rule(prefix + r"(class_embedding|positional_embedding|proj|ln_(?:pre|post)\.(?:weight|bias))", ours + r"\1"),
        Rule(block + r"attn\.in_proj_(weight|bias)", ours + r"blocks.\1.qkv_proj.\2"),
        Rule(block + r"attn\.(out_proj\.(?:weight|bias))", ours + r"blocks.\1.\2"),
        Rule(block + r"(?:mlp\.)?((?:ln_1|ln_2|c_fc|c_proj)\.(?:weight|bias))", ours + r"blocks.\1.\2"),
    )


def _clip(prefix: str) -> tuple[Rule, ...]:
    return (
        Rule(prefix + r"embeddings\.position_ids", None, "a buffer, computed anew"),
        Rule(prefix + r"((?:embeddings|pre_layrnorm|encoder|post_layernorm)\..+)", r"model.vision_tower.\1"),
    )


LANGUAGE_MODEL = (
    Rule(r"model\.layers\.\d+\.self_attn\.rotary_emb\.inv_freq", None, "a buffer, computed anew"),
    Rule(r"model\.((?:embed_tokens|layers|norm)\..+)", r"model.language_model.\1"),
    Rule(r"lm_head\.weight", "lm_head.weight"),
)

GEM = (
    *_tower(r"model\.ecg_tower\.ecg_tower\."),
    Rule(r"(model\.(?:ecg_projector|mm_projector\.[02])\.(?:weight|bias))", r"\1"),
    *_clip(r"model\.vision_tower\.vision_tower\.vision_model\."),
    Rule(r"model\.image_newline", None, "ends a row of LLaVA-1.6's tiles; GEM reads one tile"),
    *LANGUAGE_MODEL,
)

ECG_COCA = (
    *_tower(r"state_dict\.(?:module\.)?ecg\."),
    Rule(r"state_dict\.(?:module\.)?(?:text|text_decoder)\..+", None, "CoCa's text side; GEM takes its ECG encoder"),
    Rule(r"state_dict\.(?:module\.)?logit_(?:scale|bias)", None, "CoCa's contrastive loss"),
    Rule(r"(?:optimizer|scaler)\..+", None, "the trainer's state"),
)

OUR_TOWER = (
    Rule(r"(model\.ecg_tower\..+)", r"\1"),
    Rule(r".+", None, "only the ECG tower is taken"),
)

OUR_VISION_TOWER = (
    Rule(r"(model\.vision_tower\..+)", r"\1"),
    Rule(r".+", None, "only the vision tower is taken"),
)

CLIP = (
    *_clip(r"(?:vision_model\.)?"),
    Rule(r"(?:text_model|text_projection|visual_projection)\..+|logit_scale", None, "CLIP's text side"),
)
