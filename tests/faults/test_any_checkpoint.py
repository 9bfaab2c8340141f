"""Whatever the files of a checkpoint hold, opening it takes little, and ends in a model or in a CheckpointError."""

import pytest

torch = pytest.importorskip("torch")

from damage import CUTS, HOSTILE, PATH
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

BOUNDED = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
JSON = ("config.json", "processor_config.json", "tokenizer_config.json", "generation_config.json", "tokenizer.json",
        "model.safetensors.index.json")  # fmt: skip
FILES = (*JSON, "chat_template.jinja", "model.safetensors", "adapter_config.json", "preprocessor_config.json")
INSTEAD = (
    "nothing",
    "folder",
    "pipe",
    "dangling link",
    "link outside",
    "empty",
    "list",
    "null",
    "UTF-16",
    "deep",
    "huge",
)
KEYS = ("auto_map", "trust_remote_code", "_attn_implementation", "quantization_config", "model_type", "dtype",
        "to_dict", "num_hidden_layers", "weight_map", "architectures", "processor_class",
        "tokenizer_class", "chat_template")  # fmt: skip
TEMPLATES = (
    "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    "{% set ns = namespace(x='a') %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
    "{{ 'a' * 10 ** 10 }}", "{{ 9 ** 9 ** 9 }}", "{{ '%999999999d' % 1 }}", "{% include '/etc/passwd' %}",
    "{{ ''.__class__.__mro__ }}", "{{ messages }}", "", "{% for", "{{ raise_exception('\x1b]0;no\x07') }}",
    "{% macro m(n) %}{{ m(n) }}{{ m(n) }}{% endmacro %}{{ m(1) }}",
)  # fmt: skip


@st.composite
def checkpoints(draw):
    """Which checkpoint, which file of it, and what becomes of the file."""
    source = draw(st.sampled_from(["ours", "ours", "theirs"]))
    kind = draw(st.sampled_from(["value", "value", "key", "bytes", "instead", "template", "header", "index"]))
    if kind in ("value", "key"):
        key = draw(st.sampled_from(KEYS) | st.text(max_size=9)) if kind == "key" else None
        return source, draw(st.sampled_from(JSON[:5])), kind, (draw(PATH), draw(HOSTILE), key)
    if kind == "bytes":
        return source, draw(st.sampled_from(FILES)), kind, draw(CUTS)
    if kind == "instead":
        return source, draw(st.sampled_from(FILES)), kind, draw(st.sampled_from(INSTEAD))
    if kind == "template":
        return "ours", "chat_template.jinja", kind, draw(st.sampled_from(TEMPLATES) | st.text(max_size=40))
    if kind == "header":
        return source, "model.safetensors", kind, (draw(PATH), draw(HOSTILE), draw(st.integers(-9, 9)))
    name = draw(
        st.sampled_from(
            ["model.safetensors", "../x.safetensors", "/etc/passwd", "a/b.safetensors", "x\0.safetensors", "x"]
        )
        | HOSTILE
    )
    return source, JSON[5], kind, name  # fmt: skip


@given(case=checkpoints())
@settings(BOUNDED, max_examples=25, derandomize=True)
def test_any_checkpoint(opener, case):
    opener.try_(case)


@pytest.mark.slow  # drawn at random: what it finds must not decide whether a change lands
@given(case=checkpoints())
@settings(BOUNDED, max_examples=2500)
def test_many_checkpoints(opener, case):
    opener.try_(case)
