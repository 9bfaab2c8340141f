"""Where many tasks are worked on: in this process, in its threads, in processes of this machine, or on a Ray cluster.

Whoever has many records calls `mapped`, and gets the same results in the same order from each executor. Only a few
chunks are under way at a time, so that a long list does not fill the memory.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from itertools import islice
from typing import Any, TypeVar

from ecg_r1.errors import UserError
from ecg_r1.parent import end_with_parent

T = TypeVar("T")
R = TypeVar("R")
CHUNK = 16  # items that a worker takes at a time
THREADS = "OMP_NUM_THREADS"  # OpenBLAS and MKL read it too
AHEAD = 4  # chunks under way for each worker: what is done waits for those before it


class WorkerLost(UserError):
    """A worker ended before it gave its result."""


class ExecutorError(UserError):
    """An executor cannot be started."""


def mapped(
    function: Callable[[T], R],
    items: Iterable[T],
    *,
    workers: int = 1,
    executor: str = "processes",
    chunk: int = CHUNK,
) -> Iterator[R]:
    """Yield the function of each item, in the items' order.

    Args:
        function: can be pickled, as can its results.
        items: each is used once; they may be many.
        workers: that work at the same time; 0 for one a core. One of `processes` is this process itself.
        executor: a name of `EXECUTORS`.
        chunk: items that a worker takes at a time.

    Raises:
        WorkerLost: a worker was killed, most often for lack of memory.
        ExecutorError: Ray is not installed, or its cluster cannot be reached.
    """
    workers = workers or os.cpu_count() or 1
    remaining = iter(items)
    chunks = iter(lambda: list(islice(remaining, chunk)), [])
    run = EXECUTORS["here" if executor == "processes" and workers == 1 else executor]
    for results in run(partial(_each, function), chunks, workers):
        yield from results


def _each(function: Callable[[T], R], items: list[T]) -> list[R]:
    return [function(item) for item in items]


def _call(work: Callable[[Any], Any], chunk: Any) -> Any:
    return work(chunk)


def _here(work: Callable[[Any], Any], chunks: Iterable[Any], workers: int) -> Iterator[Any]:
    yield from map(work, chunks)


def _threads(work: Callable[[Any], Any], chunks: Iterable[Any], workers: int) -> Iterator[Any]:
    """For tasks that wait, of a server above all."""
    pool = ThreadPoolExecutor(workers)
    try:
        yield from _ahead(lambda chunk: pool.submit(work, chunk), lambda future: future.result(), chunks, workers)
    finally:  # what nobody waits for any more is not begun
        pool.shutdown(cancel_futures=True)


def _processes(work: Callable[[Any], Any], chunks: Iterable[Any], workers: int) -> Iterator[Any]:
    # Not fork: a lock that another thread holds would stay locked in the child for ever.
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=spawn, initializer=end_with_parent) as pool:
        try:
            yield from _ahead(partial(_submitted, pool, work), lambda future: future.result(), chunks, workers)
        except BrokenProcessPool:
            raise WorkerLost(LOST) from None
        finally:  # what nobody waits for any more is not begun
            pool.shutdown(wait=False, cancel_futures=True)


def _submitted(pool: ProcessPoolExecutor, work: Callable[[Any], Any], chunk: Any) -> Any:
    """A chunk that is under way; the worker that may be started for it computes in one thread, unless told otherwise.

    Each of its libraries would start a thread a core, which wait for each other: a corpus takes twice as long.
    """
    told = THREADS in os.environ
    os.environ.setdefault(THREADS, "1")
    try:
        return pool.submit(work, chunk)
    finally:
        if not told:
            del os.environ[THREADS]


def _ray(work: Callable[[Any], Any], chunks: Iterable[Any], workers: int) -> Iterator[Any]:
    """On the cluster that RAY_ADDRESS names; unless it is set, on a Ray of `workers` processes on this machine."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # reports nothing about its user
    # Ray of today warns that the next one will leave an accelerator's variables as they are, which changes nothing here
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError:
        raise ExecutorError('`executor: ray` needs Ray: pip install "ecg-r1-gem[ray]"') from None
    from ray.exceptions import RayError, RayTaskError

    cluster = os.environ.get("RAY_ADDRESS")
    started_here = not ray.is_initialized()
    try:
        if started_here:
            where = {"address": cluster} if cluster else {"address": "local", "num_cpus": workers}
            ray.init(
                **where, include_dashboard=None if cluster else False, log_to_driver=False, logging_level=logging.ERROR
            )
        run, held = ray.remote(_call), ray.put(work)  # sent once, not with each chunk
    except (RayError, ConnectionError, ValueError, RuntimeError) as error:
        raise ExecutorError(f"Ray cannot be reached at {cluster or 'this machine'}: {error}") from None
    try:
        yield from _ahead(partial(run.remote, held), ray.get, chunks, workers)
    except RayTaskError as error:  # what the function raised; Ray's own error would show as a traceback
        raise error.cause from None
    except RayError as error:
        raise WorkerLost(f"{LOST} (Ray: {str(error).splitlines()[0]})") from None
    finally:
        if started_here:
            ray.shutdown()


def _ahead(
    submit: Callable[[Any], Any], result: Callable[[Any], Any], chunks: Iterable[Any], workers: int
) -> Iterator[Any]:
    """The results in order, of which so many are under way that no worker waits."""
    under_way = deque[Any]()
    for chunk in chunks:
        under_way.append(submit(chunk))
        if len(under_way) == AHEAD * workers:
            yield result(under_way.popleft())
    while under_way:
        yield result(under_way.popleft())


LOST = "a worker process was killed, maybe because memory ran out; repeat the command, with fewer `workers`"
EXECUTORS: dict[str, Callable[[Callable[[Any], Any], Iterable[Any], int], Iterator[Any]]] = {
    "here": _here,
    "threads": _threads,
    "processes": _processes,
    "ray": _ray,
}
