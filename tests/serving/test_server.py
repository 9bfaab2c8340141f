"""vLLM's server on loopback: the stock chat route with an ECG answers as the model in this process does."""

import copy
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("vllm", reason="vLLM is not installed: pip install '.[cpu]' or '.[gpu]'")

from peft import LoraConfig, get_peft_model
from PIL import Image

from ecg_r1.ecg.record import read_record, write_record
from ecg_r1.ecg.render import render
from ecg_r1.ecg.simulate import simulate
from ecg_r1.engine import Prompt
from ecg_r1.engine.hf import HFEngine
from ecg_r1.model.checkpoint import load_model, save
from ecg_r1.model.message import page_part, user_message
from ecg_r1.model.modeling import GEMForConditionalGeneration
from ecg_r1.model.presets import build_processor
from ecg_r1.serving.ask import prompt_of
from ecg_r1.serving.limits import LARGEST

REAL = Path(__file__).parents[2] / "../shared/ecg/ptb-xl/records500/00000/00001_hr"
DOCUMENTATION = Path(__file__).parents[2] / "docs" / "serving.md"
QUESTION = "Read this ECG."
TOKENS = 24


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    torch.manual_seed(0)
    model, processor = load_model("tiny", texts=[QUESTION, "<think>PR interval 160 ms.</think>"])
    folder = tmp_path_factory.mktemp("tiny")
    save(model, processor, folder)
    return folder, model.eval(), processor


@pytest.fixture(scope="module")
def adapter(model, tmp_path_factory):
    """A LoRA of the language model that changes its answers, and the model with it."""
    folder = tmp_path_factory.mktemp("adapter")
    base, _ = load_model(str(model[0]))
    adapted = get_peft_model(base, LoraConfig(r=8, target_modules=r"model\.language_model\..*_proj")).eval()
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.05)
    adapted.save_pretrained(folder)
    return folder, adapted


@contextmanager
def serving(folder, log, *options):
    """`ecg-r1 serve` on a free port; its URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["-m", "ecg_r1", "serve", folder, "--port", port, "--served-model-name", "gem", *options]
    with log.open("w") as out:
        process = subprocess.Popen([sys.executable, *map(str, command)], stdout=out, stderr=out, env=os.environ)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            assert process.poll() is None, log.read_text()[-3000:]
            try:
                urllib.request.urlopen(f"{url}/health", timeout=5)
                break
            except OSError:
                time.sleep(0.5)
        yield url
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    return tmp_path_factory.mktemp("log") / "server.log"


@pytest.fixture(scope="module")
def server(model, adapter, log):
    lora = ["--enable-lora", "--max-lora-rank", 8, "--lora-modules", f"adapter={adapter[0]}"]
    with serving(model[0], log, *lora) as url:
        yield url


def ask(url, body, path="/v1/chat/completions", **headers):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data, {"Content-Type": "application/json"} | headers)
    try:
        with urllib.request.urlopen(request, timeout=300) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def body(message, **more):
    return {"model": "gem", "messages": [message], "temperature": 0, "max_tokens": TOKENS} | more


@pytest.fixture(scope="module")
def records():
    simulated = [s.record for s in simulate(3, seed=1)]
    return simulated + ([read_record(REAL)] if REAL.with_suffix(".hea").is_file() else [])


@pytest.mark.parametrize("together", [1, 2])
def test_an_answer_over_http_is_the_one_in_this_process(server, model, records, together):
    _, hf, processor = model
    for start in range(len(records) - together + 1):
        asked = records[start : start + together]
        prompt = prompt_of(processor, asked, QUESTION)
        ((here,),) = HFEngine(hf, processor).generate([prompt], temperature=0.0, max_tokens=TOKENS)
        code, answer = ask(server, body(user_message(QUESTION, asked, prompt.pages), return_token_ids=True))
        assert code == 200, answer
        assert answer["prompt_token_ids"] == prompt.token_ids
        assert answer["choices"][0]["token_ids"] == here.token_ids


def test_openais_client_streams_it(server, model, records):
    from openai import OpenAI

    _, hf, processor = model
    prompt = prompt_of(processor, records[:1], QUESTION)
    ((here,),) = HFEngine(hf, processor).generate([prompt], temperature=0.0, max_tokens=TOKENS)
    stream = OpenAI(base_url=f"{server}/v1", api_key="none").chat.completions.create(
        **body(user_message(QUESTION, records[:1], prompt.pages)), stream=True
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
    assert text == processor.tokenizer.decode(here.token_ids, skip_special_tokens=True)


def test_an_adapter_is_asked_by_its_name(server, model, adapter, records):
    _, hf, processor = model
    prompt = prompt_of(processor, records[:1], QUESTION)
    message = user_message(QUESTION, records[:1], prompt.pages)
    ((with_it,),) = HFEngine(adapter[1], processor).generate([prompt], temperature=0.0, max_tokens=TOKENS)
    ((without,),) = HFEngine(hf, processor).generate([prompt], temperature=0.0, max_tokens=TOKENS)
    assert with_it.token_ids != without.token_ids
    answer = ask(server, body(message, return_token_ids=True, model="adapter"))[1]
    assert answer["choices"][0]["token_ids"] == with_it.token_ids


@pytest.mark.parametrize("index", [0, 1])
def test_the_clients_in_the_documentation(server, model, records, index, tmp_path, monkeypatch, capsys):
    code = re.findall(r"```python\n(.*?)```", DOCUMENTATION.read_text(encoding="utf-8"), re.DOTALL)[index]
    _, hf, processor = model
    record = read_record(write_record(records[0], tmp_path))
    page = render(record)
    Image.fromarray(page).save(tmp_path / "page.png")
    monkeypatch.chdir(tmp_path)
    for name, value in (("http://127.0.0.1:8000", server), ("00001_hr", record.record_id), ("runs/demo/grpo", "gem")):
        code = code.replace(name, value)
    code = code.replace('"temperature": 0', f'"temperature": 0, "max_tokens": {TOKENS}')
    code = code.replace("temperature=0,", f"temperature=0, max_tokens={TOKENS},")
    exec(compile(code, "docs/serving.md", "exec"), {})
    prompt = replace(prompt_of(processor, [record], QUESTION), pages=[page])
    ((here,),) = HFEngine(hf, processor).generate([prompt], temperature=0.0, max_tokens=TOKENS)
    assert capsys.readouterr().out == processor.tokenizer.decode(here.token_ids, skip_special_tokens=True) + "\n"


def test_the_signal_alone_decides_too(server, records):
    answers = [
        ask(server, body(user_message(QUESTION, [record]), logprobs=True))[1]["choices"][0]["logprobs"]
        for record in records[:2]
    ]
    assert answers[0] != answers[1]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda ecg, _: ecg["signal"].pop(), "11 rows of `signal` for 12 names in `leads`"),
        (lambda ecg, _: ecg["signal"][0].__setitem__(0, float("nan")), "finite"),
        (lambda ecg, _: ecg.update(sampling_rate=50), "sampled at 50 Hz"),
        (lambda _, content: content.pop(), "the question"),
        (lambda _, content: content[-1].update(text=" "), "the question"),
        (lambda _, content: content[-1].update(text="<ecg> Rate?"), "the text holds '<ecg>'"),
        (lambda _, content: content[0].pop("ecg"), "ecg: give"),
        (lambda _, content: content[0].update(type="eeg"), "eeg"),
        (lambda _, content: content[1]["image_url"].update(url="http://127.0.0.1:1/x.png"), "allowed domains"),
        (lambda _, content: content[1]["image_url"].update(url="data:image/png;base64,AAAA"), "image"),
        (lambda _, content: content.extend(content[:2] * 12), "maximum context length"),
    ],
)
def test_bad_input_is_one_clear_400(server, records, change, said):
    message = copy.deepcopy(user_message(QUESTION, records[:1], [render(records[0], size=112)]))
    change(message["content"][0]["ecg"], message["content"])
    code, answer = ask(server, body(message))
    assert code in (400, 422), answer
    assert said in answer["error"]["message"]
    assert len(answer["error"]["message"]) < 300


def test_a_placeholder_without_an_ecg_is_refused(server):
    code, answer = ask(server, {"model": "gem", "prompt": "<ecg>Rate?", "max_tokens": 2}, path="/v1/completions")
    assert (code, "placeholders for 1 ecgs, and 0 are given" in answer["error"]["message"]) == (400, True)


HELLO = {"role": "user", "content": "Hello, who are you?"}
WITHOUT_ECG = {
    "chat": ("/v1/chat/completions", {"messages": [HELLO]}),
    "parts": ("/v1/chat/completions", {"messages": [{"role": "user", "content": [{"type": "text", "text": "Rate?"}]}]}),
    "streamed": ("/v1/chat/completions", {"messages": [HELLO], "stream": True}),
    "later turn": (
        "/v1/chat/completions",
        {"messages": [HELLO, {"role": "assistant", "content": "Rate 75 bpm."}, {"role": "user", "content": "PR?"}]},
    ),
    "completion": ("/v1/completions", {"prompt": "Hello, who are you?"}),
    "streamed completion": ("/v1/completions", {"prompt": "Hello, who are you?", "stream": True}),
    "token ids": ("/v1/completions", {"prompt": [5, 6, 7]}),
    "response": ("/v1/responses", {"input": "Hello, who are you?"}),
    "tokenize": ("/tokenize", {"messages": [HELLO]}),
    "message": ("/v1/messages", {"messages": [HELLO]}),
}


@pytest.mark.parametrize("name", WITHOUT_ECG)
def test_a_request_without_an_ecg_is_refused_with_what_to_do(server, name):
    path, request = WITHOUT_ECG[name]
    code, answer = ask(server, {"model": "gem", "max_tokens": 4} | request, path)
    assert code == 400, answer
    said = answer["error"]["message"]
    assert "the request has no ECG: send it to /v1/chat/completions as a part of type 'ecg' (or its page as" in said
    assert "--allow-text-only" in said
    assert len(said) < 300


def test_a_page_alone_is_an_ecg_and_so_is_one_of_an_earlier_turn(server, records):
    page = user_message(QUESTION, [], [])
    page["content"].insert(0, page_part(render(records[0], size=112)))
    assert ask(server, body(page))[0] == 200
    turns = [user_message(QUESTION, records[:1]), {"role": "assistant", "content": "75 bpm."}, HELLO]
    assert ask(server, body(None, messages=turns))[0] == 200


def test_nothing_failed_while_the_server_started(server, log):
    assert "warmup failed" not in log.read_text()


@pytest.fixture(scope="module")
def signal_only(tmp_path_factory):
    """A model without a vision tower, on a server that answers text alone too."""
    folder = tmp_path_factory.mktemp("signal-only")
    torch.manual_seed(0)
    tiny, processor = load_model("tiny", texts=[QUESTION])
    tiny.config.vision_config = tiny.config.image_token_id = None
    model = GEMForConditionalGeneration(tiny.config)
    processor = build_processor(model.config, processor.tokenizer)
    save(model, processor, folder / "model")
    with serving(folder / "model", folder / "log", "--allow-text-only") as url:
        yield url, model.eval(), processor


@pytest.mark.parametrize("name", WITHOUT_ECG)
def test_text_alone_is_answered_where_the_operator_allows_it(signal_only, name):
    path, request = WITHOUT_ECG[name]
    data = json.dumps({"model": "gem", "max_tokens": 4} | request).encode()
    sent = urllib.request.Request(signal_only[0] + path, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(sent, timeout=300) as answer:
        assert answer.status == 200
        assert answer.read()


def test_a_model_without_a_vision_tower_is_asked_over_http(signal_only, records):
    url, hf, processor = signal_only
    ids = processor.tokenizer(processor.expand(processor.prompt(QUESTION)), add_special_tokens=False)["input_ids"]
    prompt = Prompt(ids, [records[0].signal])
    ((here,),) = HFEngine(hf, processor).generate([prompt], temperature=0.0, max_tokens=TOKENS)
    code, answer = ask(url, body(user_message(QUESTION, records[:1]), return_token_ids=True))
    assert code == 200, answer
    assert answer["prompt_token_ids"] == prompt.token_ids
    assert answer["choices"][0]["token_ids"] == here.token_ids


def test_a_page_for_a_model_that_reads_none_is_refused(signal_only, records):
    message = user_message(QUESTION, records[:1], [render(records[0], size=112)])
    code, answer = ask(signal_only[0], body(message))
    assert (code, "no vision tower and reads no pages" in answer["error"]["message"]) == (400, True)


def test_a_request_too_large_is_refused_before_it_is_read(server):
    address = server.removeprefix("http://").split(":")
    with socket.create_connection((address[0], int(address[1])), timeout=30) as connection:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {LARGEST + 1}\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(20).startswith(b"HTTP/1.1 413")


def test_the_server_outlives_all_of_it(server, records):
    assert ask(server, body(user_message(QUESTION, records[:1])))[0] == 200
