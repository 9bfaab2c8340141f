"""One question to a model behind an OpenAI-compatible chat route: retries, rate limit, and a cache on disk.

Retries and their pauses are the `openai` client's own: it repeats what fails for the moment (408, 409, 429, 5xx, no
connection), waits twice as long each time, and as long as the server asks. Answers are kept under the hash of the whole
request, so a command that is repeated after a kill asks only what is missing.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
from collections import defaultdict
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Generic, TypeVar

from ecg_r1.disk import writing
from ecg_r1.endpoints.pace import Pace
from ecg_r1.endpoints.reply import Choice, is_whole, of_choices, read_reply
from ecg_r1.errors import UserError
from ecg_r1.files import PART, read_json
from ecg_r1.recipe import Route

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
REFUSED = ("content_filter", "content_policy_violation")  # codes of a provider that does not answer a question
NO_KEY = "none"  # the client wants one; servers that ask for none ignore it

Settings = TypeVar("Settings", bound=Route)


class EndpointError(UserError):
    """An endpoint cannot be asked, or did not answer; the message names it."""


def require_client() -> None:
    """Check that the client of endpoints is installed.

    Raises:
        EndpointError: it is not.
    """
    if find_spec("openai") is None:
        raise EndpointError("the openai client is not installed: pip install 'ecg-r1-gem[endpoint]'")


class Client(Generic[Settings]):
    """An endpoint, the answers that it gave before, and what they cost.

    Args:
        settings: of the recipe.
        cache: folder of the answers that are kept.

    Attributes:
        name: in tables.
        model: as the server calls it.

    Raises:
        EndpointError: the key is missing, or the server lists several models and none is named.
    """

    def __init__(self, settings: Settings, cache: Path):
        self.settings, self.cache = settings, cache
        self._key = _key(settings)
        self._pace = Pace(settings.per_minute)
        self._asked: dict[str, threading.Lock] = defaultdict(threading.Lock)  # one question is asked once
        self._lock = threading.Lock()
        self.attempts = 0
        self._openai = self._connect()
        self.model = settings.model or self._only_model()
        self.name = settings.name or re.sub(r"[^\w.+-]", "-", self.model.rstrip("/").rpartition("/")[2])

    def identity(self) -> dict[str, Any]:
        """What decides the answers, beside the question and the decoding."""
        return self.settings.deciding | {"model": self.model}

    def ask(self, body: Mapping[str, Any], n: int) -> tuple[list[Choice], dict[str, int]]:
        """Answers to one question, from the cache where they are.

        Args:
            body: the request without the model, and without `n`. Fields of `options` go over it.
            n: how many answers; a server that gives fewer at a time is asked again.

        Returns:
            The answers, and what they took: `requests` (0 from the cache), `prompt_tokens`, `completion_tokens`.

        Raises:
            EndpointError: the server refuses the request, or does not answer after all retries.
            DiskError: an answer cannot be kept.
        """
        choices: list[Choice] = []
        usage = {"requests": 0, "prompt_tokens": 0, "completion_tokens": 0}
        while len(choices) < n:
            request = self._request(body, n - len(choices), len(choices))
            kept, asked = self._kept_or_asked(request)
            if not kept["choices"]:
                raise EndpointError(f"{self._where}: the server's reply has no answer in it")
            choices += [Choice(**choice) for choice in kept["choices"]]
            usage["requests"] += asked
            for key in ("prompt_tokens", "completion_tokens"):
                usage[key] += kept["usage"][key]
        return choices[:n], usage

    @property
    def _where(self) -> str:
        return f"{self.model} at {self.settings.endpoint}"

    def _request(self, body: Mapping[str, Any], n: int, got: int) -> dict[str, Any]:
        request = {"model": self.model, **body}
        if n > 1:
            request["n"] = n
        if "seed" in request:
            request["seed"] += got
        options = self.settings.options
        if "max_completion_tokens" in options:  # OpenAI's newer name; a server takes one of both
            request.pop("max_tokens", None)
        return {key: value for key, value in (request | options).items() if value is not None}

    def _kept_or_asked(self, request: dict[str, Any]) -> tuple[dict[str, Any], int]:
        """The answer to a request, and how many requests were made for it: 0 or 1."""
        content = json.dumps([self.settings.endpoint, request], sort_keys=True, ensure_ascii=False)
        digest = hashlib.sha256(content.encode()).hexdigest()
        path = self.cache / digest[:2] / f"{digest}.json"
        with self._lock:
            asked = self._asked[digest]
        with asked:
            kept = read_json(path)
            if is_whole(kept):
                return kept, 0
            answer = self._reply(request)
            with writing(self.cache, "the answers that are there are kept"):
                path.parent.mkdir(parents=True, exist_ok=True)
                part = path.with_name(f"{digest}-{os.getpid()}{PART}")  # another process may ask the same
                part.write_text(json.dumps(answer, ensure_ascii=False), encoding="utf-8")
                part.replace(path)
            return answer, 1

    def _reply(self, request: dict[str, Any]) -> dict[str, Any]:
        known = {key: request.pop(key) for key in ("model", "messages")}
        try:
            reply = self._openai.chat.completions.create(**known, extra_body=request)
        except Exception as error:
            if getattr(error, "code", None) not in REFUSED:
                raise self._failed(error) from None
            return of_choices([{"text": "", "tokens": 0, "cut": False}], None, "refused")
        return read_reply(reply, str(known["model"]))

    def _failed(self, error: Exception) -> Exception:
        """What the client raised, as one line that never holds the key; an error of another kind as it is."""
        import openai

        if isinstance(error, openai.APIStatusError):
            said = f"status {error.status_code}: {error.message}"
        elif isinstance(error, openai.OpenAIError):
            cause = error.__cause__ or error
            said = f"{type(cause).__name__}: {cause}"
        else:
            return error
        said = " ".join((said.replace(self._key, "(key)") if self._key else said).split())
        return EndpointError(
            f"{self._where}: {said[:500]}; {self.settings.retries + 1} tries at most were made, and the answers that "
            f"came are kept in {self.cache}: repeat the command to go on"
        )

    def _connect(self) -> Any:
        import openai

        def begin(request: Any) -> None:
            self._pace.wait()
            with self._lock:
                self.attempts += 1

        not_sent: Any = {"OpenAI-Organization": openai.Omit(), "OpenAI-Project": openai.Omit()}
        return openai.OpenAI(
            base_url=self.settings.endpoint,
            api_key=self._key or NO_KEY,  # without one, the client would send OPENAI_API_KEY wherever the recipe says
            default_headers=not_sent,  # the client would take these from the environment too
            max_retries=self.settings.retries,
            timeout=self.settings.timeout,
            http_client=openai.DefaultHttpxClient(
                event_hooks={"request": [begin]},
                follow_redirects=False,  # an ECG goes where the recipe says
                timeout=self.settings.timeout,
            ),
        )

    def _only_model(self) -> str:
        try:
            names = [str(model.id) for model in self._openai.models.list()]
        except Exception as error:
            self.model = "the list of models"
            raise self._failed(error) from None
        if len(names) != 1:
            listed = ", ".join(names[:10]) or "none"
            raise EndpointError(f"{self.settings.endpoint}: serves the models {listed}; name one with `model:`")
        return names[0]


def _key(settings: Route) -> str | None:
    """The API key, from the environment.

    Raises:
        EndpointError: the variable is not set, or the recipe has what cannot be a variable's name.
    """
    variable = settings.key_variable
    if variable is None:
        return None
    if not VARIABLE.fullmatch(variable):
        raise EndpointError(
            f"{settings.endpoint}: key_variable is the name of an environment variable, of letters, digits and "
            "underscores; the key itself stands in no recipe"
        )
    if not os.environ.get(variable):
        raise EndpointError(f"{settings.endpoint}: the environment variable {variable}, for its key, is not set")
    return os.environ[variable].strip()
