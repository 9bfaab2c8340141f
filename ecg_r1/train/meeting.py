"""The processes of a run agree before their libraries meet: one refusal, said once; one folder, seen by all of them.

On several nodes each process reads the recipe, the corpus and the code of its own machine. torch's key-value store at
MASTER_ADDR carries what they say: it needs no device, and every launcher sets it up.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path

from ecg_r1.errors import UserError
from ecg_r1.files import read_json
from ecg_r1.locks import LOCK, TOKEN, FolderLock
from ecg_r1.recipe import RecipeError
from ecg_r1.terminal import say

LONGEST = timedelta(hours=1)  # that one process waits for another: a first import over a network takes minutes
SEEN = 40.0  # seconds until a folder that one node made is seen by the others; NFS believes for 30 that it is missing


class Meeting:
    """A place where all processes of a run hear each other. All of them call its methods, in the same order.

    Attributes:
        rank, world: of this process, and how many there are.
    """

    def __init__(self) -> None:
        from torch.distributed import PrefixStore, rendezvous

        self.rank, self.world = 0, int(os.environ["WORLD_SIZE"])
        if self.world > 1:
            store, self.rank, _ = next(rendezvous("env://", timeout=LONGEST))
            self._store = PrefixStore("ecg_r1", store)
        self._said = 0

    def told(self, words: str) -> list[str]:
        """What each process says, in the order of their ranks; waits for the last of them."""
        if self.world == 1:
            return [words]
        self._said += 1
        self._store.set(f"{self._said}/{self.rank}", words)
        return [self._store.get(f"{self._said}/{rank}").decode() for rank in range(self.world)]

    @contextmanager
    def agreed(self) -> Iterator[None]:
        """What one process refuses within the context ends all of them.

        Raises:
            UserError: this process is the only one.
            SystemExit: one of them has; the first process has printed it, once for all that said the same.
        """
        if self.world == 1:
            yield
            return
        refused = ""
        try:
            yield
        except UserError as error:
            refused = str(error)
        where: dict[str, set[str]] = {}
        said = [json.loads(words) for words in self.told(json.dumps([platform.node(), refused]))]
        for host, words in said:
            if words:
                where.setdefault(words, set()).add(host)
        if not where:
            return
        if self.rank == 0:
            everywhere = {host for host, _ in said}
            for words, hosts in where.items():
                say(words if hosts == everywhere else f"on {', '.join(sorted(hosts))}: {words}", err=True)
        self.told("printed")  # a launcher ends all processes with the first that ends
        sys.exit(2)

    def same(self, facts: Mapping[str, str]) -> None:
        """Check that all processes have the same facts, by their names.

        Raises:
            RecipeError: this process has others than the first.
        """
        first, *_ = self.told(json.dumps([platform.node(), dict(facts)]))
        host, there = json.loads(first)
        for name, value in facts.items():
            if there[name] != value:
                raise RecipeError(
                    f"{name} is {value} on {platform.node()} and {there[name]} on {host}; make them equal"
                )

    @contextmanager
    def lock(self, folder: Path) -> Iterator[None]:
        """The right to write into a folder, which the first process takes and all of them share.

        Raises:
            SystemExit: another run has it, or a process does not see that folder; the first process has printed it.
        """
        with ExitStack() as held:
            token = ""
            with self.agreed():
                if self.rank == 0:
                    token = held.enter_context(FolderLock(folder)).share()[TOKEN]
            token = self.told(token)[0]
            with self.agreed():
                if self.rank:
                    _wait_for(folder, token)
                    held.enter_context(FolderLock(folder, token))
            yield


def _wait_for(folder: Path, token: str) -> None:
    until = time.monotonic() + SEEN
    while (read_json(folder / LOCK) or {}).get("token") != token:
        if time.monotonic() > until:
            raise RecipeError(
                f"{folder}: the folder of the first process is not seen here; `run:` must lie on a file system that "
                "all nodes share, at the same path"
            )
        time.sleep(0.1)
        if folder.parent.is_dir():
            os.listdir(folder.parent)  # lets NFS look again
