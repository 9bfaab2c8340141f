"""What a request may hold is counted before anything is built from it, and a page's pixels before they are decoded."""

import base64
import io
import json
import struct
import zlib
from contextlib import suppress
from pathlib import Path

import pytest

pytest.importorskip("vllm", reason="vLLM is not installed: pip install '.[cpu]' or '.[gpu]'")

from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ecg_r1.serving.content import check_content
from ecg_r1.serving.limits import Limits, Refusal
from ecg_r1.serving.pages import PageError, pixels


def png(width, height, *, again=None):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    sizes = [(width, height), *([again] if again else [])]
    heads = [chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, 8, 0, 0, 0, 0)) for w, h in sizes]
    return b"\x89PNG\r\n\x1a\n" + b"".join(heads) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")


def encoded(kind, **options):
    out = io.BytesIO()
    Image.new("RGB", (60, 40)).save(out, kind, **options)
    return out.getvalue()


def url(page, head="data:image/png;base64,"):
    return head + base64.b64encode(page).decode()


def page(page, **options):
    return {"type": "image_url", "image_url": {"url": url(page, **options)}}


def chat(*parts, **options):
    return {"model": "m", "messages": [{"role": "user", "content": [*parts, {"type": "text", "text": "?"}]}], **options}


def ecg(signal=((0.1, 0.2),), leads=("I",)):
    return {"type": "ecg", "ecg": {"leads": leads, "sampling_rate": 500, "unit": "mV", "signal": signal}}


def nested(levels, opening="[", closing="]", value="1"):
    return opening * levels + value + closing * levels


LIMITS = Limits()
SEVERAL = {
    "choices": (chat(n=10_000), 400, "n is a whole number of at most 16"),
    "choices as text": (chat(n="10000"), 400, "n is"),
    "choices as a fraction": (chat(n=1e4), 400, "n is"),
    "choices, the last counts": ('{"n": 1, "\\u006e": 10000}', 400, "n is"),
    "the best of many": ({"prompt": "a", "best_of": 10**9}, 400, "best_of"),
    "alternatives": (chat(logprobs=True, top_logprobs=10**6), 400, "top_logprobs"),
    "all alternatives": (chat(prompt_logprobs=-1), 400, "prompt_logprobs"),
    "a number of 26 digits": (chat(max_tokens=10**25), 400, "max_tokens: the number is too large"),
    "a number of 5,000 digits": ('{"seed": ' + "9" * 5000 + "}", 400, "seed"),
    "stop words": (chat(stop=["a"] * 1000), 400, "stop has at most 64"),
    "biases": (chat(logit_bias=dict.fromkeys(map(str, range(1000)), 1)), 400, "logit_bias"),
    "messages": ({"messages": [{"role": "user", "content": "a"}] * 65}, 400, "messages has at most 64"),
    "prompts": ({"prompt": ["a"] * 65}, 400, "prompt has at most 64"),
    "a grammar": (chat(structured_outputs={"regex": "a" * 9000}), 413, "structured_outputs has at most 8192 bytes"),
    "a schema": (chat(response_format={"a": list(range(9000))}), 413, "response_format"),
    "ECGs": (chat(*[ecg()] * 2000), 400, "at most 16 ECGs"),
    "ECGs in several messages": ({"messages": chat(*[ecg()] * 9)["messages"] * 2}, 400, "at most 16 ECGs"),
    "samples": (chat(ecg([[0.5] * 200_000] * 8)), 413, "at most 1500000 samples"),
    "samples that are lists": (chat(ecg([[[0.5]] * 100])), 400, "one list of numbers"),
    "text": (chat({"type": "text", "text": "a" * 300_000}), 413, "at most 262144 bytes"),
    "white space": ("{}" + " " * 300_000, 413, "at most 262144 bytes"),
    "tokens": ({"prompt": list(range(100_000))}, 413, "at most 262144 bytes"),
    "depth": ('{"messages": ' + nested(10_000) + "}", 400, "32 levels"),
    "depth of objects": ('{"messages": ' + nested(40, '{"a":', "}") + "}", 400, "32 levels"),
    "depth in an ECG": ('{"messages": [{"content": [{"ecg": ' + nested(400) + "}]}]}", 400, "one list of numbers"),
    "depth behind a name": ('{"x": ' + nested(100_000) + "}", 400, "32 levels"),
    "values": ({"x": [[]] * 6000}, 400, "more than 5000"),
    "pixels": (chat(page(png(13_000, 13_000))), 413, "at most 20000000 pixels"),
    "pixels of several pages": (chat(*[page(png(2000, 2000))] * 6), 413, "pixels"),
    "pixels, another spelling": (chat(page(png(13_000, 13_000), head="DATA:image/PNG;base64,")), 413, "pixels"),
    "pixels, an escaped spelling": (
        json.dumps(chat(page(png(13_000, 13_000)))).replace("data:", "\\u0064ata:"), 413, "pixels"),
    "pixels, Anthropic's form": (
        chat({"source": {"type": "base64", "data": url(png(13_000, 13_000), "")}}), 413, "pixels"),
    "pixels, OpenAI's other form": (
        {"input": [{"content": [{"type": "input_image", "image_url": url(png(13_000, 13_000))}]}]}, 413, "pixels"),
    "two sizes": (chat(page(png(10, 10, again=(13_000, 13_000)))), 400, "more than one"),
    "pages": (chat(*[page(png(10, 10))] * 17), 400, "at most 16 pages"),
    "a page cut off": (chat(page(png(10, 10)[:20])), 400, "cut off"),
    "another format": (chat(page(encoded("GIF"))), 400, "neither PNG nor JPEG"),
    "scans": (chat(page(encoded("JPEG") + b"\xff\xda" * 50)), 400, "at most 32 scans"),
    "no base64": (chat({"image_url": {"url": "data:image/png;base64,??"}}), 400, "base64"),
    "a file of the server": (chat({"image_url": {"url": "file:///etc/passwd"}}), 400, "a page is given as"),
    "another client's media": (chat({"type": "image_url", "image_url": None, "uuid": "a"}), 400, "uuid"),
    "a line for the log": (chat(request_id="a\nINFO: all is well"), 400, "request_id"),
    "NaN": ('{"x": NaN}', 400, "finite"),
    "no object": ("[1]", 400, "not a JSON object"),
    "nothing": ("", 400, "not a JSON object"),
    "half": ('{"messages": [', 400, "not a JSON object"),
    "no UTF-8": (b'{"messages": ["\xff"]}', 400, "not a JSON object"),
    "UTF-16": ('{"n": 10000}'.encode("utf-16"), 400, "not a JSON object"),
}  # fmt: skip


@pytest.mark.parametrize("name", SEVERAL)
def test_too_much_is_refused_before_work_with_the_limit(name):
    body, code, words = SEVERAL[name]
    data = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
    with pytest.raises(Refusal) as refused:
        check_content(data, LIMITS)
    assert (refused.value.status, words in refused.value.message) == (code, True), refused.value.message
    assert len(refused.value.message) < 200


@pytest.mark.parametrize(
    "body",
    [
        chat(
            ecg([[0.5] * 5000] * 12),
            page(png(1000, 800)),
            page(encoded("JPEG")),
            page(encoded("JPEG", progressive=True)),
        ),
        chat(
            *[ecg([[0.5] * 5000] * 12)] * 16, n=16, temperature=1, logprobs=True, top_logprobs=20, stop="a", seed=2**62
        ),
        chat({"type": "text", "text": "data: the rate; base64 is a word, file: another"}, n=None, max_tokens=5),
        chat({"type": "image_url", "image_url": {"url": "https://viewer.example/page.png"}}),  # vLLM's to refuse
        {"prompt": [1] * 5000, "n": 1, "request_id": "a-1"},
        {
            "input": "Rate?",
            "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
        },
    ],
)
def test_an_ordinary_request_passes(body):
    check_content(json.dumps(body, indent=1).encode(), LIMITS)


@pytest.mark.parametrize("options", [{"format": "PNG"}, {"format": "JPEG"}, {"format": "JPEG", "progressive": True}])
def test_the_size_is_the_decoders(options):
    out = io.BytesIO()
    Image.new("RGB", (123, 45)).save(out, exif=Image.Exif(), dpi=(300, 300), **options)
    assert pixels(out.getvalue()) == 123 * 45


@given(st.sampled_from(["PNG", "JPEG"]), st.lists(st.tuples(st.integers(0, 700), st.binary(max_size=4)), max_size=4))
@settings(max_examples=400, deadline=None)
def test_no_damaged_page_is_larger_for_the_decoder_than_for_us(kind, changes):
    damaged = bytearray(encoded(kind))
    for at, new in changes:
        damaged[at : at + len(new)] = new
    try:
        counted = pixels(bytes(damaged))
    except PageError:
        return
    try:
        with Image.open(io.BytesIO(bytes(damaged))) as opened:
            assert opened.width * opened.height == counted
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        pass


def test_the_documentation_states_the_limits():
    text = (Path(__file__).parents[2] / "docs" / "security.md").read_text(encoding="utf-8")
    for limit in (
        LIMITS.ecgs,
        LIMITS.samples,
        LIMITS.pages,
        LIMITS.messages,
        LIMITS.choices,
        LIMITS.logprobs,
        LIMITS.words,
    ):
        assert f" {limit:,}" in text
    for limit in (LIMITS.values, LIMITS.depth, LIMITS.running, LIMITS.connections, LIMITS.pixels // 10**6):
        assert f" {limit:,}" in text
    for limit in (LIMITS.body // 2**20, LIMITS.held // 2**20):
        assert f" {limit} MB" in text
    for limit in (LIMITS.text // 2**10, LIMITS.grammar // 2**10):
        assert f" {limit} KB" in text
    for limit in (LIMITS.head_seconds, LIMITS.body_seconds, LIMITS.seconds):
        assert f" {limit:g} s" in text


NAMES = st.sampled_from(
    ["messages", "content", "ecg", "data", "type", "url", "image_url", "n", "stop", "prompt", "uuid"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=20,
)


@given(JSON, st.integers(0, 200), st.binary(max_size=3))
@settings(max_examples=400, deadline=None)
def test_any_body_passes_or_is_refused(value, at, noise):
    data = bytearray(json.dumps(value).encode())
    for body in (bytes(data), bytes(data[:at] + noise + data[at:])):
        with suppress(Refusal):
            check_content(body, LIMITS)
