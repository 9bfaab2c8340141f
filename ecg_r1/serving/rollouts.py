"""`ecg-r1 rollout-server`: vLLM's engine behind three routes, for a trainer elsewhere (`ecg_r1.engine.vllm_server`).

Prompts come as token ids with the hashes of their media, completions go back as token ids with log-probabilities, and
weights come as safetensors, by broadcast, or as a LoRA adapter. Nothing of vLLM's own routes is open, and without the
key nothing is.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import tempfile
import uuid
from collections import OrderedDict
from http import HTTPStatus
from pathlib import Path
from typing import Any

import numpy as np
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ecg_r1.engine import wire
from ecg_r1.engine.base import Prompt
from ecg_r1.engine.changes import changed
from ecg_r1.engine.vllm_colocated import vllm_prompt, vllm_sampling_names
from ecg_r1.engine.vllm_server import ServerUnusable, read_key
from ecg_r1.serving.access import Access
from ecg_r1.serving.limits import Refusal
from ecg_r1.terminal import say

MEDIA = 4 * 2**30  # bytes of signals and pages that a server keeps
BODY = 2**30  # bytes of a request with prompts
SENT = "sent.safetensors"
ADAPTER = 1  # vLLM's number of the adapter; another follows with each update


class Unlocked:
    """Lets a request in that shows the key; `/health` asks for none."""

    def __init__(self, app: Any, access: Access):
        self.app, self.access = app, access

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """ASGI."""
        if scope["type"] == "http":
            try:
                self.access.check(scope, scope["path"])
            except Refusal as refusal:
                await refusal.response()(scope, receive, send)
                return
        await self.app(scope, receive, send)


class Rollouts:
    """The routes of one server.

    Args:
        engine: vLLM's `AsyncLLM`.
        checkpoint: fingerprint of what it serves.
    """

    def __init__(self, engine: Any, checkpoint: str):
        self.engine, self.checkpoint = engine, checkpoint
        self.boot = uuid.uuid4().hex
        self.version: str | None = None
        self.adapter: Any = None
        self.group: str | None = None  # of the trainer and the workers
        self._media: OrderedDict[str, np.ndarray] = OrderedDict()
        self._held = 0
        self._updating = asyncio.Lock()
        self._last: dict[str, Any] = {}  # the tensors of the adapter
        self._adapters = ADAPTER

    def app(self, access: Access) -> Starlette:
        """The application, which the key opens."""
        routes = [
            Route(wire.HEALTH, self.health),
            Route(wire.STATE, self.state),
            Route(wire.WEIGHTS, self.weights, methods=["POST"]),
            Route(wire.GENERATE, self.generate, methods=["POST"]),
        ]
        app = Starlette(routes=routes, middleware=[Middleware(Unlocked, access=access)])
        app.state.engine_client = self.engine  # vLLM's launcher watches it
        return app

    async def health(self, request: Request) -> Response:
        """200 while the engine lives."""
        try:
            await self.engine.check_health()
        except Exception as error:  # the engine's own kinds
            return _refused(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
        return Response(status_code=200)

    async def state(self, request: Request) -> Response:
        """What this server serves, which weights it has, and how many workers take them."""
        parallel = self.engine.vllm_config.parallel_config
        workers = parallel.world_size * parallel.data_parallel_size
        said = {"boot": self.boot, "version": self.version, "checkpoint": self.checkpoint, "workers": workers}
        return JSONResponse(said)

    async def weights(self, request: Request) -> Response:
        """Take weights, an adapter, or what changed of it: a message that says its `version`, the `adapter`'s
        configuration, and `since` which version it changed. Or a message without tensors that says the `place` of the
        trainer's process group, whether they have `met` there, and which `tensors` are broadcast."""
        folder = Path(tempfile.mkdtemp(prefix="ecg-r1-weights-"))
        try:
            file = folder / SENT
            with file.open("wb") as part:
                async for block in request.stream():
                    part.write(block)
            async with self._updating:
                return await self._update(folder, file)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    async def _update(self, folder: Path, file: Path) -> Response:
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(file, "np") as tensors:
                said = json.loads((tensors.metadata() or {})["said"])
            version, adapter, since = said["version"], said.get("adapter"), said.get("since")
            place = said.get("place")
            group, met, sent = (place["name"], said["met"], said["tensors"]) if place else (None, False, ())
        except (SafetensorError, KeyError, ValueError, TypeError) as error:
            return _refused(HTTPStatus.BAD_REQUEST, f"the weights cannot be read: {error}")
        if version == self.version:
            return JSONResponse({"version": version, "received": False})
        if since not in (None, self.version):
            return _refused(HTTPStatus.CONFLICT, "the server has other weights", version=self.version)
        if place:
            if met and group != self.group:
                return _refused(HTTPStatus.CONFLICT, "the workers are in another group", version=self.version)
            try:
                await self.engine.collective_rpc("receive_weights", args=(place, sent))
            except Exception as error:  # vLLM hands on what a worker says as a bare Exception
                self.group = None
                return _refused(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
            self.group = group
        await self.engine.pause_generation(mode="abort")  # of a trainer that was killed
        try:
            if adapter is None:
                await self.engine.collective_rpc("replace_weights", args=(None if place else str(file),))
                await self.engine.reset_encoder_cache()
                await self.engine.reset_mm_cache()
                await self.engine.reset_prefix_cache()
            else:
                await self._replace_adapter(folder, file, adapter, changed_since_last=since is not None)
        except Exception as error:  # also of the workers
            return _refused(HTTPStatus.BAD_REQUEST, f"vLLM cannot take the weights: {error}")
        finally:
            await self.engine.resume_generation()
        self.version = version
        return JSONResponse({"version": version, "received": True})

    async def _replace_adapter(self, folder: Path, file: Path, facts: Any, *, changed_since_last: bool) -> None:
        """
        Raises:
            ValueError, SafetensorError: the file holds no adapter, or no changes of the last one.
        """
        import safetensors.numpy
        import safetensors.torch
        from vllm.lora.request import LoRARequest

        if changed_since_last:
            tensors = changed(self._last, safetensors.numpy.load_file(file))
        else:
            tensors = safetensors.torch.load_file(file)
        safetensors.torch.save_file(tensors, folder / "adapter_model.safetensors")
        (folder / "adapter_config.json").write_text(json.dumps(facts), encoding="utf-8")
        new = LoRARequest(f"adapter-{self._adapters}", self._adapters, str(folder))
        await self.engine.add_lora(new)
        if self.adapter is not None:
            await self.engine.remove_lora(self.adapter.lora_int_id)
        self.adapter, self._adapters, self._last = new, self._adapters + 1, tensors

    async def generate(self, request: Request) -> Response:
        """Complete prompts: `prompts` of token ids, `ecgs` and `pages` (hashes), `n`, and vLLM's `sampling`."""
        if int(request.headers.get("content-length", BODY + 1)) > BODY:
            return _refused(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a request has at most {BODY} bytes, and says how many"
            )
        try:
            said, tensors = wire.unpack(await request.body())
            prompts, sampling, n = said["prompts"], said["sampling"], said["n"]
            if unknown := sampling.keys() - vllm_sampling_names():
                raise ValueError(f"unknown sampling options: {', '.join(sorted(unknown))}")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return _refused(HTTPStatus.BAD_REQUEST, f"the request cannot be read: {error}")
        if said.get("version") != self.version:
            return _refused(HTTPStatus.CONFLICT, "the server has other weights", version=self.version)
        self._keep(tensors)
        wanted = {name for prompt in prompts for name in (*prompt["ecgs"], *prompt["pages"])}
        if missing := sorted(wanted - self._media.keys()):
            return _refused(HTTPStatus.CONFLICT, "signals or pages are missing", missing=missing)
        arrays = {name: self._media[name] for name in wanted}
        work = asyncio.gather(*(self._complete(prompt, arrays, n, sampling) for prompt in prompts))
        left = asyncio.ensure_future(_left(request))
        try:
            either: list[asyncio.Future[Any]] = [work, left]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():  # a trainer that was killed, or asks another server
                work.cancel()
                return Response(status_code=499)
            answers = work.result()
        except (ValueError, TypeError) as error:
            return _refused(HTTPStatus.BAD_REQUEST, " ".join(str(error).split()))
        finally:
            left.cancel()
        if any(len(row) < n or any(one is None for one in row) for row in answers):
            return _refused(HTTPStatus.SERVICE_UNAVAILABLE, "the weights changed while this was generated")
        return JSONResponse({"rollouts": answers})

    async def _complete(
        self, prompt: dict[str, Any], arrays: dict[str, np.ndarray], n: int, sampling: dict[str, Any]
    ) -> list[Any]:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        params = SamplingParams(
            n=n, logprobs=0, detokenize=False, seed=prompt["seed"], output_kind=RequestOutputKind.FINAL_ONLY,
            **sampling,
        )  # fmt: skip
        media = ([arrays[name] for name in prompt[kind]] for kind in ("ecgs", "pages"))
        row = vllm_prompt(Prompt(prompt["token_ids"], *media))
        written = self.engine.generate(row, params, uuid.uuid4().hex, lora_request=self.adapter)
        return [_rollout(one) for answer in [answer async for answer in written] for one in answer.outputs]

    def _keep(self, tensors: dict[str, np.ndarray]) -> None:
        for name, array in tensors.items():
            if wire.content_hash(array) == name and name not in self._media:
                self._media[name] = array
                self._held += array.nbytes
        while self._held > MEDIA and len(self._media) > len(tensors):
            _, dropped = self._media.popitem(last=False)
            self._held -= dropped.nbytes


async def _left(request: Request) -> None:
    """Return when the client has hung up."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _rollout(completion: Any) -> dict[str, Any] | None:
    """None where it was cut off by an update of the weights."""
    if completion.finish_reason not in ("stop", "length"):
        return None
    ids = list(completion.token_ids)
    return {
        "token_ids": ids,
        "logprobs": [entry[i].logprob for i, entry in zip(ids, completion.logprobs, strict=True)],
    }


def _refused(status: HTTPStatus, message: str, **facts: Any) -> JSONResponse:
    return JSONResponse({"error": {"message": message}, **facts}, status.value)


def make_key(file: Path) -> str:
    """The key in a file, which is made where it is missing, for its owner alone.

    Raises:
        ServerUnusable: it can be neither read nor written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as new:
            new.write(secrets.token_urlsafe(32) + "\n")
    except FileExistsError:
        pass
    except OSError as error:
        raise ServerUnusable(f"{file}: the key cannot be written: {error.strerror}") from None
    return read_key(file)


async def run(arguments: Any, listening: Any, address: str, *, access: Access, checkpoint: str) -> None:
    """Start vLLM's engine, and answer until the process is ended.

    Args:
        arguments: of vLLM's server.
        listening: the socket.
        address: of the socket, for people.
        access: who may ask.
        checkpoint: fingerprint of what is served.
    """
    from vllm.entrypoints.launchers.api_server.entry import build_async_engine_client
    from vllm.entrypoints.launchers.launcher import serve_http

    async with build_async_engine_client(arguments) as engine:
        say(f"rollouts of {arguments.model} on {address}", err=True)
        app: Any = Rollouts(engine, checkpoint).app(access)
        ended = await serve_http(
            app, listening, host=arguments.host, port=arguments.port, log_level="warning", ws="none"
        )
    await ended


def engine_options(options: dict[str, Any], rank: int | None) -> dict[str, Any]:
    """A recipe's `rollout.options`, and those that rollouts need, by the names of vLLM's engine arguments.

    Args:
        options: of the recipe.
        rank: of the adapters that the trainer sends; None where it sends weights.
    """
    needed: dict[str, Any] = {
        "logprobs_mode": "processed_logprobs",
        "worker_extension_cls": "ecg_r1.engine.worker.Receiver",
    }
    if rank is not None:
        needed |= {"enable_lora": True, "max_lora_rank": rank, "max_loras": 2, "max_cpu_loras": 2}
    return needed | options
