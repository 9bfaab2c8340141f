"""Opens checkpoints in a worker: those of a folder, or a sound one after damage."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path

from damage import cut, replaced
from transformers import LlamaConfig, LlamaForCausalLM

from ecg_r1.model.checkpoint import check_checkpoint, load_model, load_processor, save
from ecg_r1.model.convert.plan import plan


def sound(folder: Path) -> None:
    """A tiny GEM, and a language model from which one could be made."""
    model, processor = load_model("tiny", texts=["Read this ECG.", "<think>PR interval 160 ms.</think>"])
    save(model, processor, folder / "ours")
    shape = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    LlamaForCausalLM(LlamaConfig(vocab_size=len(processor.tokenizer), **shape)).save_pretrained(folder / "theirs")
    processor.tokenizer.save_pretrained(folder / "theirs")


def damage(path: Path, kind: str, what: object) -> None:
    if kind in ("value", "key"):
        values = json.loads(path.read_text()) if path.exists() else {}
        at, value, key = what
        path.write_bytes(json.dumps(replaced(values, at, value, key)).encode("utf-8", "surrogatepass"))
    elif kind == "bytes":
        path.write_bytes(cut(path.read_bytes() if path.exists() else b"{}", *what))
    elif kind == "template":
        path.write_bytes(what.encode("utf-8", "surrogatepass"))
    elif kind == "header":
        at, value, longer = what
        content = path.read_bytes()
        length = int.from_bytes(content[:8], "little")
        header = json.dumps(replaced(json.loads(content[8 : 8 + length]), at, value)).encode()
        path.write_bytes((len(header) + longer).to_bytes(8, "little", signed=True) + header + content[8 + length :])
    elif kind == "index":
        path.write_text(json.dumps({"weight_map": {"lm_head.weight": what}}))
    else:
        path.unlink(missing_ok=True)
        instead = {"empty": b"", "list": b"[]", "null": b"null", "deep": b"[" * 10**5}
        if what in instead:
            path.write_bytes(instead[what])
        elif what == "UTF-16":
            path.write_bytes('{"model_type": "ecg_r1_gem"}'.encode("utf-16"))
        elif what == "huge":
            path.touch()
            os.truncate(path, 10**12)
        elif what == "pipe":
            os.mkfifo(path)
        elif what == "folder":
            path.mkdir()
        elif what != "nothing":
            path.symlink_to("/nowhere" if what == "dangling link" else "/dev/zero")


SOUND: list[Path] = []  # of this worker


def open_(case: str | tuple[str, str, str, object]) -> None:
    """Open a checkpoint as every command does.

    Args:
        case: its folder; or which sound one, which file of it, the kind of damage, and the damage.
    """
    if isinstance(case, str):
        load_processor(check_checkpoint(case))
        load_model(case)
        return
    source, file, kind, what = case
    if not SOUND:
        SOUND.append(Path(tempfile.mkdtemp()))
        sound(SOUND[0])
    with tempfile.TemporaryDirectory() as folder:
        damaged = Path(shutil.copytree(SOUND[0] / source, Path(folder, "x")))
        damage(damaged / file, kind, what)
        if source == "ours":
            open_(str(damaged))
        else:
            plan(damaged)
