"""vLLM's OpenAI-compatible server with GEM: its chat route takes the content part `ecg` (see `ecg_r1.model.message`).

This file and `rollouts` alone know vLLM's entry points.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from ecg_r1.engine import checkpoint_dtype, require_vllm
from ecg_r1.engine.vllm_colocated import check_splitting, of_machine
from ecg_r1.errors import UserError
from ecg_r1.model import SERVED_MODE, TOKENIZER_MODE, register_vllm
from ecg_r1.model.checkpoint import check_checkpoint, load_processor
from ecg_r1.model.lora import served_rank
from ecg_r1.model.parent import ENDS_WITH_PARENT
from ecg_r1.model.weights import check_values
from ecg_r1.recipe import GRPORecipe, RecipeError
from ecg_r1.runs.fingerprint import WEIGHTS, fingerprint
from ecg_r1.serving.access import Access, is_loopback, is_name
from ecg_r1.serving.limits import Limits

KEY_VARIABLE = "VLLM_API_KEY"
_UNGUARDED = "such a server asks for no key and has no limits"
REFUSED = {  # options of vLLM that stay as they are, and why
    "grpc": _UNGUARDED,
    "grpc_port": _UNGUARDED,
    "headless": _UNGUARDED,
    "data_parallel_multi_port_external_lb": _UNGUARDED,
    "allowed_local_media_path": "requests could read files of this machine; send a page with the request",
    "trust_remote_code": "a checkpoint is data, and its code is not run",
    "enable_prompt_embeds": "requests would carry tensors in torch's own format, a pickle",
    "enable_mm_embeds": "requests would carry tensors in torch's own format, a pickle",
    "api_server_count": "one process checks keys and limits; start several servers instead",
    "tokenizer_mode": "it refuses requests without an ECG; to answer those too, use --allow-text-only",
    "model": "the model is the first word after `serve`",
    "model_tag": "the model is the first word after `serve`",
}
LONGEST = 24 * 3600  # seconds in which a request may be answered
HEADERS = 64 * 2**10  # bytes of the headers of a request
DEFAULTS = {
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_LOGGING_LEVEL": "WARNING",
    "VLLM_MAX_IMAGE_PIXELS": str(Limits().pixels),
    "VLLM_NO_USAGE_STATS": "1",  # a server of patient data reports to nobody
    ENDS_WITH_PARENT: "1",
}


class ServeError(UserError):
    """The server cannot start with these options; the message says why."""


def serve(
    model: str,
    options: Sequence[str] = (),
    *,
    allow_text_only: bool = False,
    key_file: Path | None = None,
    allowed_hosts: Sequence[str] = (),
    seconds: float = Limits().seconds,
) -> None:
    """Serve a model over HTTP until the process is ended.

    Args:
        model: a GEM checkpoint, or a run's folder.
        options: of `vllm serve`, by its own names. Ours are only defaults: only this machine can reach the server
            (`--host 127.0.0.1`), pages come with the request and are not fetched from URLs, and the dtype is the
            checkpoint's.
        allow_text_only: answer a request without an ECG too; by default it is refused with status 400.
        key_file: a file with the key that requests must show, instead of `--api-key` or the environment variable
            `VLLM_API_KEY`.
        allowed_hosts: names by which clients call this server, beside its address.
        seconds: in which a request must be answered.

    Raises:
        CheckpointError: `model` is not a GEM checkpoint, or a weight is NaN or infinite.
        EngineUnavailable: vLLM is not installed.
        ServeError: vLLM does not have an option or cannot start with it, an option is refused, the address is taken, or
            the key is missing.
    """
    require_vllm("use `ecg-r1 ask`, which does without")
    if not 1 <= seconds <= LONGEST:  # also NaN
        raise ServeError(f"--request-timeout {seconds:g}: give seconds, from 1 to {LONGEST}")
    for name in allowed_hosts:
        if not is_name(name):
            raise ServeError(f"--allowed-host {name!r}: give one name or address, without a port or wildcard")
    folder = check_checkpoint(model)
    check_values(folder)
    load_processor(folder)  # vLLM opens it again, and would say what is wrong with it in many lines
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    arguments = _arguments(folder, model, options, allow_text_only)
    keys = _keys(arguments, key_file)
    host = arguments.host or ""
    if not keys and not is_loopback(host) and not arguments.uds:
        raise ServeError(
            f"--host {host or '(every address)'}: other machines could ask without a key; write one into a "
            f"file and name it with --api-key-file, or set {KEY_VARIABLE}"
        )
    from ecg_r1.serving.connection import Connection
    from ecg_r1.serving.guard import Guard

    access = Access(keys, [host, *allowed_hosts], arguments.allowed_origins)
    guard = Guard(access, Limits(seconds=seconds), arguments.root_path or "")
    _run(arguments, http=partial(Connection, guard=guard, waiting={}), ws="none")


def serve_rollouts(
    recipe: GRPORecipe, path: str, options: Sequence[str] = (), *, allowed_hosts: Sequence[str] = ()
) -> None:
    """Serve rollouts of a recipe's policy until the process is ended.

    Args:
        recipe: with `rollout.mode: server`.
        path: its file, for messages.
        options: of `vllm serve`, by its own names, over those of `rollout.options`: `--port`, `--host` ….
        allowed_hosts: names by which trainers call this server, beside its address.

    Raises:
        RecipeError: the recipe has no server rollouts.
        CheckpointError, EngineUnavailable, ServeError: as `serve`.
    """
    rollout = recipe.rollout
    if rollout.mode != "server" or rollout.key_file is None:
        raise RecipeError(f"{path}: rollouts are generated in the training process; set `rollout.mode: server`")
    require_vllm()
    for name in allowed_hosts:
        if not is_name(name):
            raise ServeError(f"--allowed-host {name!r}: give one name or address, without a port or wildcard")
    folder = check_checkpoint(recipe.model)
    check_values(folder)
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    from ecg_r1.serving.rollouts import engine_options, make_key, run

    words = _as_words(engine_options(rollout.options, served_rank(recipe.lora)))
    if rollout.dtype != "auto":
        words.append(f"--dtype={rollout.dtype}")
    arguments = _arguments(folder, recipe.model, [f"--seed={recipe.seed}", *words, *options], allow_text_only=True)
    key = make_key(Path(rollout.key_file))
    access = Access([key], [arguments.host or "", *allowed_hosts])
    _until_ended(arguments, partial(run, access=access, checkpoint=fingerprint(folder, WEIGHTS)))


def _arguments(folder: Path, model: str, options: Sequence[str], allow_text_only: bool) -> Any:
    from vllm.entrypoints.launchers.cli_args import make_arg_parser, validate_parsed_serve_args
    from vllm.entrypoints.serve.utils.api_utils import cli_env_setup
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    class Parser(FlexibleArgumentParser):
        def error(self, message: str) -> NoReturn:
            raise ServeError(f"ecg-r1 serve: {message}; the options are those of `vllm serve`")

    register_vllm()
    cli_env_setup()
    parser = make_arg_parser(Parser(prog="ecg-r1 serve"))
    ours = {"model_tag": str(folder), "tokenizer_mode": TOKENIZER_MODE if allow_text_only else SERVED_MODE}
    arguments: Any = parser.parse_args(
        [
            str(folder),
            f"--tokenizer-mode={ours['tokenizer_mode']}",
            f"--served-model-name={model}",
            f"--dtype={checkpoint_dtype(folder)}",
            "--host=127.0.0.1",
            "--allowed-media-domains=pages-come-with-the-request.invalid",
            f"--h11-max-incomplete-event-size={HEADERS}",
            *_as_words(of_machine()),
            *options,
        ]
    )
    for option, reason in REFUSED.items():
        if getattr(arguments, option, None) != ours.get(option, parser.get_default(option)):
            raise ServeError(f"--{option.replace('_', '-')} is not accepted: {reason}")
    for adapter in arguments.lora_modules or ():
        check_values(Path(adapter.path) / "adapter_model.safetensors")
    arguments.model = arguments.model_tag
    try:
        validate_parsed_serve_args(arguments)
        check_splitting(vars(arguments))
    except (TypeError, ValueError) as error:
        raise ServeError(f"ecg-r1 serve: {error}") from None
    return arguments


def _as_words(options: dict[str, Any]) -> list[str]:
    """Arguments of vLLM's engine as words of its command line."""
    words = []
    for name, value in options.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        elif value is not None:
            words.append(f"--{flag}={json.dumps(value) if isinstance(value, dict | list) else value}")
    return words


def _keys(arguments: Any, file: Path | None) -> list[str]:
    """The keys; vLLM, which logs its arguments, does not see them."""
    given = list(arguments.api_key or ())
    arguments.api_key = None
    variable = os.environ.pop(KEY_VARIABLE, None)
    if file is not None:
        given.append(_read_key(file))
    if not given and variable is not None:
        given = [variable]
    if not all(key.strip() for key in given):
        raise ServeError(f"the key is empty; give one with --api-key-file FILE or {KEY_VARIABLE}")
    return [key.strip() for key in given]


def _read_key(file: Path) -> str:
    try:
        with file.open(encoding="utf-8") as lines:
            return lines.read(4096).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ServeError(f"{file}: the key cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _run(arguments: Any, **settings: Any) -> None:
    from vllm.entrypoints.launchers.api_server.entry import run_server_worker

    def serving(arguments: Any, listening: Any, address: str) -> Any:
        return run_server_worker(address, listening, arguments, **settings)

    _until_ended(arguments, serving)


def _until_ended(arguments: Any, serving: Callable[[Any, Any, str], Any]) -> None:
    """
    Raises:
        ServeError: the address is taken, or vLLM cannot start.
    """
    import uvloop
    from vllm.entrypoints.launchers.launcher import setup_server

    try:
        address, listening = setup_server(arguments, reuse_port=False)
    except OSError as error:
        raise ServeError(_no_address(arguments, error)) from None
    try:
        uvloop.run(serving(arguments, listening, address))
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise ServeError(f"vLLM cannot serve {arguments.model}: {' '.join(str(error).split())}") from None
    finally:
        listening.close()


def _no_address(arguments: Any, error: OSError) -> str:
    import errno

    if error.errno == errno.EADDRINUSE:
        return f"port {arguments.port} is taken; choose another with --port"
    if isinstance(error, socket.gaierror):
        return f"--host {arguments.host}: this machine has no such address"
    return f"{arguments.uds or f'{arguments.host}:{arguments.port}'}: {error.strerror or error}"
