"""The routes of a rollout server around an engine of the tests."""

import asyncio
import hashlib
import threading
import time
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import uvicorn
import vllm  # noqa: F401  a server has it before it answers; the import takes seconds
from ports import free_port
from safetensors import safe_open
from safetensors.torch import load_file

from ecg_r1.engine.group import Member
from ecg_r1.serving.access import Access
from ecg_r1.serving.rollouts import Rollouts

KEY = "a-key-of-the-tests"


class Echo:
    """In vLLM's place: it completes a prompt with its own tokens, or holds on to it."""

    def __init__(self):
        self.asked, self.held, self.replaced, self.adapters = [], threading.Event(), [], []
        self.held.set()
        self.vllm_config = SimpleNamespace(parallel_config=SimpleNamespace(world_size=1, data_parallel_size=1))
        self.member, self.received = None, {}

    async def generate(self, row, params, request_id, lora_request=None):
        self.asked.append(row)
        while not self.held.is_set():
            await asyncio.sleep(0.02)
        ids = row["prompt_token_ids"]
        one = SimpleNamespace(
            token_ids=ids, finish_reason="stop", logprobs=[{i: SimpleNamespace(logprob=-0.5)} for i in ids]
        )
        yield SimpleNamespace(outputs=[one] * params.n)

    async def collective_rpc(self, method, args=()):
        if method == "receive_weights":
            await asyncio.to_thread(self.receive, *args)
        else:
            self.replaced.append(method)

    def receive(self, place, expected):  # as `ecg_r1.engine.worker.Receiver`, without a model
        if self.member is None or self.member.place.name != place["name"]:
            self.member = Member(place, 1)
        self.received = dict(self.member.tensors(expected))

    async def add_lora(self, request):
        self.adapters.append(load_file(f"{request.lora_path}/adapter_model.safetensors"))

    async def nothing(self, *args, **kwargs):
        pass

    check_health = pause_generation = resume_generation = nothing
    remove_lora = reset_encoder_cache = reset_mm_cache = reset_prefix_cache = nothing


@contextmanager
def answering(engine, port=None, checkpoint="sha256:same"):
    """A server's routes on loopback, around an engine; its URL."""
    port = port or free_port()
    app = Rollouts(engine, checkpoint).app(Access([KEY], ["127.0.0.1"]))
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", ws="none", lifespan="off")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = server.force_exit = True
        thread.join()


class Slow(Echo):
    """In vLLM's place: its completions are a function of the prompt and the weights, and take their time.

    Args:
        tokens: that it writes, without any that stand for media.
        seconds: of a completion.
    """

    def __init__(self, tokens, seconds=0.0):
        super().__init__()
        self.tokens, self.seconds, self.weights, self.used = tokens, seconds, "checkpoint", []

    async def collective_rpc(self, method, args=()):
        await super().collective_rpc(method, args)
        (file,) = args
        with safe_open(file, "np") as tensors:
            content = b"".join(tensors.get_tensor(name).tobytes() for name in sorted(tensors.keys()))
        self.weights = hashlib.sha256(content).hexdigest()

    async def generate(self, row, params, request_id, lora_request=None):
        self.used.append(self.weights)
        await asyncio.sleep(self.seconds)
        random = np.random.default_rng([*self.weights.encode(), *row["prompt_token_ids"]])
        outputs = []
        for _ in range(params.n):
            ids = random.choice(self.tokens, random.integers(1, params.max_tokens + 1)).tolist()
            logprobs = [{i: SimpleNamespace(logprob=-2.0)} for i in ids]
            outputs.append(SimpleNamespace(token_ids=ids, finish_reason="length", logprobs=logprobs))
        yield SimpleNamespace(outputs=outputs)
