"""What a published corpus calls a record -> the record that lies in a folder."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ecg_r1.datasets.card import DatasetCard
from ecg_r1.datasets.entry import Entry
from ecg_r1.ecg.record import record_id

_PAGE = re.compile(r"-\d+$")  # several pages of one record: "JS00001-0.png"


class References:
    """Looks up records by path, name or the data set's own id.

    Args:
        card: of the data set.
        entries: its records that are there.
    """

    def __init__(self, card: DatasetCard, entries: Iterable[Entry]):
        self.card = card
        self.entries = {record_id(entry.path): entry for entry in entries}
        self._by_key: dict[str, str | None] = {}
        for name, entry in self.entries.items():
            key = entry.key or card.key(name)
            self._by_key[key] = name if key not in self._by_key else None  # two records of one key: neither is meant

    def __contains__(self, name: object) -> bool:
        return name in self.entries

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def find(self, names: Iterable[str]) -> str | None:
        """The id of the record that one of these names means, the first that does; None where none of them does.

        A path in a folder of another data set is none of this one's, whatever its number.
        """
        for name in names:
            if name in self.entries:
                return name
            if self.card.of_another(name):
                continue
            key = self.card.key(name)
            if found := self._by_key.get(key) or self._by_key.get(_PAGE.sub("", key)):
                return found
        return None
