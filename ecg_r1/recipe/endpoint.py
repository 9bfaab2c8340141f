"""The keys of models behind OpenAI-compatible routes, and what a list of models may hold."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from ecg_r1.recipe.fields import Place, Strict, check_place


class Prices(Strict):
    """What an endpoint asks for a million tokens, in any currency."""

    prompt: float = Field(ge=0)
    completion: float = Field(ge=0)


class Route(Strict):
    """An OpenAI-compatible chat route.

    endpoint: its URL, with `/v1` where the server has it. model: as the server calls it; not needed where it serves one
    alone. name: in tables and messages; the model's, unless given. key_variable: the environment variable that holds
    the API key; the key itself stands in no recipe. concurrent: requests at once. per_minute: requests that are begun
    in a minute, repeated ones too. retries: of a request that fails for the moment. timeout: seconds for one request.
    prices: to count what the answers cost. options: fields of the request by the server's names, over ours; `null`
    leaves a field out. cache: folder of the answers that were received.
    """

    endpoint: str = Field(pattern=r"^https?://[^\s/?#@]+(/[^\s?#@]*)?$")
    model: str | None = Field(None, pattern=r"\S")
    name: Annotated[str, AfterValidator(check_place), Field(pattern=r"^[^/]+$")] | None = None
    key_variable: str | None = None
    concurrent: int = Field(4, ge=1, le=256)
    per_minute: float | None = Field(None, gt=0)
    retries: int = Field(6, ge=0, le=100)
    timeout: float = Field(300.0, gt=0)
    prices: Prices | None = None
    options: dict[str, Any] = Field({})
    cache: Place | None = None

    @property
    def deciding(self) -> dict[str, Any]:
        """The keys that decide an answer; the others say how it is fetched."""
        fetched = {"name", "key_variable", "concurrent", "per_minute", "retries", "timeout", "prices", "cache"}
        return self.model_dump(exclude=fetched)


class Endpoint(Route):
    """A model behind an OpenAI-compatible chat route, which is asked about ECGs; see also `Route`.

    signal: send the signal as a part of type `ecg`, which `ecg-r1 serve` reads. page: send the page as a PNG.
    page_size: its side in pixels; unless given, the split's own page beside a signal, else one of 1024 pixels.
    cache: `cache` in the comparison's folder, unless given.
    """

    signal: bool = False
    page: bool = True
    page_size: int | None = Field(None, ge=32, le=4096)

    @model_validator(mode="after")
    def _shows_the_ecg(self) -> Endpoint:
        if not (self.signal or self.page):
            raise ValueError("signal and page are both off: the model would be shown no ECG")
        if self.page_size is not None and not self.page:
            raise ValueError("page_size is of a page that is not sent; leave it out, or set `page: true`")
        return self


class Rewrite(Route):
    """A language model that words the target texts anew; see `ecg_r1.corpus.rewrite`, and also `Route`.

    instruction: what it is told, in place of the shipped one (`data/prompts/rewrite.yaml`). temperature: of its answer.
    max_tokens: longest answer. cache: `rewrites` in the corpus's own cache, unless given.
    """

    instruction: str | None = Field(None, pattern=r"\S")
    temperature: float = Field(0.0, ge=0)
    max_tokens: int = Field(2048, ge=1)


PLACE, ENDPOINT = "a place", "an endpoint"  # left out of messages
Compared = Annotated[
    Annotated[Place, Tag(PLACE)] | Annotated[Endpoint, Tag(ENDPOINT)],
    Discriminator(lambda given: ENDPOINT if isinstance(given, dict | Endpoint) else PLACE),
]
