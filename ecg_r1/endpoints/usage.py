"""What answers of an endpoint took: requests, tokens, money."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from ecg_r1.endpoints.client import Client

MILLION = 1_000_000


class Usage:
    """What the answers of an endpoint took, added up.

    Args:
        client: of the endpoint.
    """

    def __init__(self, client: Client[Any]):
        self.client = client
        self._before = client.attempts
        self._all, self._now = Counter[str](), Counter[str]()
        self._kept = 0

    def add(self, used: Mapping[str, int]) -> None:
        """Count what `Client.ask` returned beside the answers to one question."""
        self._all.update(used)
        if used["requests"]:
            self._now.update(used)
        else:
            self._kept += 1

    def total(self) -> dict[str, Any]:
        """
        Returns:
            `requests` that were made, `from_cache`: questions that were not asked, `attempts`: requests that began,
            repeated ones too, `prompt_tokens`, `completion_tokens`; with prices the `cost` of all answers and what was
            `spent` now.
        """
        found: dict[str, Any] = {key: self._all[key] for key in ("prompt_tokens", "completion_tokens", "requests")}
        found |= {"from_cache": self._kept, "attempts": self.client.attempts - self._before}
        if prices := self.client.settings.prices:
            for key, counted in (("cost", self._all), ("spent", self._now)):
                money = counted["prompt_tokens"] * prices.prompt + counted["completion_tokens"] * prices.completion
                found[key] = round(money / MILLION, 6)
        return found


def in_words(usage: Mapping[str, Any]) -> str:
    """A line of what `Usage.total` returned."""
    repeated = usage["attempts"] - usage["requests"]
    words = f"{usage['requests']} questions asked" + (f" ({repeated} requests repeated)" if repeated > 0 else "")
    words += f", {usage['from_cache']} answers from the cache; {usage['prompt_tokens']:,} tokens of prompts and "
    words += f"{usage['completion_tokens']:,} of answers"
    return words + (f"; {usage['cost']:.4f} in all, {usage['spent']:.4f} of it now" if "cost" in usage else "")
