"""vLLM's OpenAI-compatible server with GEM: its chat route takes the content part `ecg` (see `ecg_r1.model.message`).

The only file that knows vLLM's entry points.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from typing import Any, NoReturn

from ecg_r1.engine import checkpoint_dtype, require_vllm
from ecg_r1.errors import UserError
from ecg_r1.model import SERVED_MODE, TOKENIZER_MODE, register_vllm
from ecg_r1.model.checkpoint import check_checkpoint, load_processor
from ecg_r1.serving.limits import BodyLimit


class ServeError(UserError):
    """The server cannot start with these options; the message says why."""


def serve(model: str, options: Sequence[str] = (), *, allow_text_only: bool = False) -> None:
    """Serve a model over HTTP until the process is ended.

    Args:
        model: a GEM checkpoint, or a run's folder.
        options: of `vllm serve`, by its own names. Ours are only defaults: only this machine can reach the server
            (`--host 127.0.0.1`), pages come with the request and are not fetched from URLs, and the dtype is the
            checkpoint's.
        allow_text_only: answer a request without an ECG too; by default it is refused with status 400.

    Raises:
        CheckpointError: `model` is not a GEM checkpoint.
        EngineUnavailable: vLLM is not installed.
        ServeError: vLLM does not have an option, or the port is taken.
    """
    folder = check_checkpoint(model)
    load_processor(folder)  # vLLM opens it again, and would say what is wrong with it in many lines
    require_vllm("use `ecg-r1 ask`, which does without")
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")
    import torch
    from vllm.entrypoints.cli.serve import ServeSubcommand
    from vllm.entrypoints.launchers.cli_args import make_arg_parser
    from vllm.entrypoints.serve.utils.api_utils import cli_env_setup
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    class Parser(FlexibleArgumentParser):
        def error(self, message: str) -> NoReturn:
            raise ServeError(f"ecg-r1 serve: {message}; the options are those of `vllm serve`")

    if any(option.partition("=")[0].replace("_", "-") == "--trust-remote-code" for option in options):
        raise ServeError("--trust-remote-code is not accepted: it would run code that comes with a checkpoint")
    register_vllm()
    cli_env_setup()
    arguments: Any = make_arg_parser(Parser(prog="ecg-r1 serve")).parse_args(
        [
            str(folder),
            f"--tokenizer-mode={TOKENIZER_MODE if allow_text_only else SERVED_MODE}",
            f"--served-model-name={model}",
            f"--dtype={checkpoint_dtype(folder)}",
            "--host=127.0.0.1",
            "--allowed-media-domains=pages-come-with-the-request.invalid",
            f"--middleware={BodyLimit.__module__}.{BodyLimit.__name__}",
            *(() if torch.cuda.is_available() else ("--enforce-eager",)),
            *options,
        ]
    )
    server = ServeSubcommand()
    server.validate(arguments)
    try:
        server.cmd(arguments)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise ServeError(f"port {arguments.port} is taken; choose another with --port") from None
