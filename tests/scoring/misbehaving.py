"""Rewards as users write them by mistake; loaded by path in the tests of the pool."""

import asyncio
import ctypes
import locale
import math
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time
from decimal import Decimal
from fractions import Fraction
from types import MappingProxyType

import numpy as np

from ecg_r1.scoring import Judgement, Score, reward


@reward
def sleeps(completion, case):
    time.sleep(3600)


@reward
def spins_on_hang(completion, case):
    while "hang" in completion.text:
        pass
    return 1.0


@reward
def dies(completion, case):
    os._exit(3)


@reward
def raises(completion, case):
    return {}["missing"]


@reward
def returns_text(completion, case):
    return "good"


@reward
def returns_nan(completion, case):
    return float("nan")


@reward
def prints(completion, case):
    print("debug")
    return Score(1.0, extracted=object())


@reward(scope="group")
def relative(completions, case):
    longest = max(len(c.text) for c in completions)
    return [len(c.text) / longest for c in completions]


@reward(scope="group")
def wrong_length(completions, case):
    return [1.0]


@reward(scope="group")
def group_of(completions, case):
    return [case.measurements.value("pr_ms") + len(completions)] * len(completions)


@reward(scope="batch")
def rank(completions, cases):
    return [i / len(cases) for i in range(len(cases))]


WAITING = []


@reward
async def waits(completion, case):
    """How many wait at the same moment."""
    WAITING.append(completion)
    await asyncio.sleep(0)
    together = len(WAITING)
    await asyncio.sleep(0)
    WAITING.remove(completion)
    return together


def for_trl(prompts, completions, answer, **kwargs):
    return [float(text == wanted) if wanted else None for text, wanted in zip(completions, answer, strict=True)]


def trl_overlong(completion_ids, **kwargs):  # as TRL's get_soft_overlong_punishment(20, 10)
    return [min(0.0, max(-1.0, (10 - len(ids)) / 10)) for ids in completion_ids]


def for_trl_chat(completions, **kwargs):
    return [float(len(messages[0]["content"])) for messages in completions]


def no_reward(text):
    return 1.0


@reward
def with_options(completion, case, *, words: int = 150, needed: str):
    return float(words)


class Tensor:
    """What a reward may see of torch here: a number, or a list of them, behind `tolist`."""

    def __init__(self, held):
        self.held = held

    def tolist(self):
        return self.held


NUMBERS = {
    "float32": np.float32(0.5), "int64": np.int64(1), "bool_": np.bool_(True), "longdouble": np.longdouble(0.5),
    "fraction": Fraction(1, 2), "decimal": Decimal("0.5"), "tensor": Tensor(0.5), "bool": True,
}  # fmt: skip
WRONG = {
    "text": "0.5", "text of numpy": np.str_("0.5"), "text in an array": np.array("0.5"), "list": [0.5],
    "row": np.array([0.5]), "signal": Decimal("sNaN"), "endless": 10**400, "complex": 1j, "huge": 1e308, "low": -1e308,
    "past": np.nextafter(1e6, 2e6), "single": np.float32(1e30), "inf": float("-inf"), "nan": np.nan, "bytes": b"1",
    "claim": Score(0.5, evidence=({"quantity": "pr_ms", "score": 1e308, "span": (0, 1), "verdict": "supported"},)),
    "digits": Score(0.5, extracted=10**5000),
    "judged": Score(0.5, evidence=(Judgement("pr_ms", "supported", step=9**9999),)),
    "evidence None": Score(0.5, evidence=None), "evidence 7": Score(0.5, evidence=7),
    "evidence object": Score(0.5, evidence={"span": [0, 1]}), "evidence numbers": Score(0.5, evidence=(1, 2)),
    "evidence keys": Score(0.5, evidence=({(1, 2): 3},)),
}  # fmt: skip


@reward
def numbers(completion, case):
    value = NUMBERS[case.record_id]
    rows = [MappingProxyType({"value": value, "span": (0, 1), "not finite": np.float32("nan")})]
    return Score(value, extracted=np.arange(2), explanation=None, evidence=rows)


@reward
def wrong(completion, case):
    return WRONG[case.record_id]


@reward
def leaves(completion, case):
    sys.exit(3)


def trl_array(completions, **kwargs):
    return np.array([0.25] * len(completions))


def trl_tensor(prompts, **kwargs):
    return Tensor([0.25] * len(prompts))


def trl_any(**kwargs):
    return (0.25 for _ in kwargs["completions"])


def trl_state(completions, trainer_state, **kwargs):
    return [trainer_state.global_step for _ in completions]


def garble(text):
    """Write on every descriptor that the process has."""
    for name in os.listdir("/proc/self/fd"):
        try:
            if int(name) > 2:
                os.write(int(name), text)
        except OSError:
            pass


@reward
def forks_and_returns_twice(completion, case):
    os.fork()
    return 0.25


@reward
def forks_without_hooks(completion, case):
    ctypes.CDLL(None).fork()
    return 0.25


@reward
def forks_and_raises(completion, case):
    if os.fork() == 0:
        raise ValueError("in the child")
    return 0.25


@reward
def forks_and_writes(completion, case):
    if ctypes.CDLL(None).fork() == 0:
        garble(b'\0\0\0\x10[1.0, [{"value": 9.0}]]\n')
        os._exit(0)
    os.wait()
    return 0.25


@reward
def writes_everywhere(completion, case):
    garble(b'\0\0\0\x10[1.0, [{"value": 9.0}]]\n')
    return 0.25


@reward
def writes_one_byte(completion, case):
    garble(b"x")
    return 0.25


@reward
def writes_at_length(completion, case):
    garble(b"\0" * 12 + b"\x7f\xff\xff\xff")
    time.sleep(3600)


@reward
def closes_all(completion, case):
    os.closerange(0, 4096)
    return 0.25


@reward
def reads_the_tasks(completion, case):
    for name in os.listdir("/proc/self/fd"):
        try:
            os.set_blocking(int(name), False)
            os.read(int(name), 100_000)
        except OSError:
            pass
    return 0.25


@reward
def starts_children(completion, case):
    """Children of every kind, which outlive the call: their pids are added to the file that the case names."""
    code = "import time; time.sleep(600)"
    pids = [
        subprocess.Popen([sys.executable, "-c", code]).pid,
        subprocess.Popen([sys.executable, "-c", code], start_new_session=True).pid,
        multiprocessing.get_context("fork").Process(target=time.sleep, args=(600,)),
    ]
    pids[2].start()
    pids[2] = pids[2].pid
    daemon = os.fork()
    if daemon == 0:  # twice forked, in a session of its own, deaf to signals
        os.setsid()
        if os.fork() == 0:
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
            with open(case.extra["file"], "a") as file:
                file.write(f"{os.getpid()}\n")
            time.sleep(600)
        os._exit(0)
    os.waitpid(daemon, 0)
    while not os.path.exists(case.extra["file"]):
        time.sleep(0.01)
    with open(case.extra["file"], "a") as file:
        file.write("".join(f"{pid}\n" for pid in (*pids, os.getpid())))
    if "hang" in completion.text:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        ctypes.PyDLL(None).sleep(600)  # holds the interpreter's lock: no other thread runs
    return 1.0


@reward
def prints_without_end(completion, case):
    for _ in range(100):
        print("\x1b]0;title\x07" + "x" * 2**20)
        sys.stderr.write("y" * 2**10)
    return 1.0


@reward
def changes_everything(completion, case):
    os.chdir("/")
    os.environ["HOME"] = "/nowhere"
    os.environ.pop("PATH", None)
    locale.setlocale(locale.LC_ALL, "C")
    random.seed(1)
    np.random.seed(1)
    np.seterr(all="raise")
    sys.setrecursionlimit(50_000)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    case.extra["answer"] = "changed"
    case.expected["leads"].append("V9")
    object.__setattr__(case, "diagnoses", ("changed",))
    math.pi = 3.0
    return 1.0


@reward
def sees(completion, case):
    """What another reward may have changed."""
    state = [os.getcwd() == "/", os.environ.get("HOME") == "/nowhere", "PATH" not in os.environ,
             np.geterr()["over"] == "raise", sys.getrecursionlimit() == 50_000,
             signal.getsignal(signal.SIGTERM) == signal.SIG_IGN, case.extra.get("answer") == "changed",
             "V9" in case.expected.get("leads", ()), "changed" in case.diagnoses, math.pi == 3.0]  # fmt: skip
    return Score(float(not any(state)), str(state), "", (), None)


@reward
def allocates_without_end(completion, case):
    held = []
    while True:
        held.append(bytearray(2**24))


@reward
def deadlocks_after_a_fork(completion, case):
    lock = threading.Lock()
    lock.acquire()
    if os.fork() == 0:
        lock.acquire()
    return 0.25


@reward
def recurses(completion, case):
    return recurses(completion, case)


@reward
def crashes(completion, case):
    ctypes.string_at(0)


@reward
def kills_its_parent(completion, case):
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(3600)


@reward
def kills_its_group(completion, case):
    os.killpg(0, signal.SIGKILL)


class Base(BaseException):
    pass


@reward
def raises_base(completion, case):
    raise Base("no Exception")


@reward
def interrupts(completion, case):
    raise KeyboardInterrupt


@reward(scope="group")
def never_ends(completions, case):
    return iter(float, 1)


class Hostile:
    def __float__(self):
        raise SystemExit(3)

    __str__ = __repr__ = __eq__ = __bool__ = __float__

    def __hash__(self):
        return 1


class Slow(Hostile):
    def __float__(self):
        time.sleep(3600)


@reward(scope="group")
def hostile_value(completions, case):
    return [Hostile(), *[0.5] * (len(completions) - 1)]


@reward
def hostile_evidence(completion, case):
    return Score(0.5, extracted=Hostile(), evidence=({"verdict": Hostile(), "x": [Hostile()]},))


@reward
def slow_value(completion, case):
    return Slow()


@reward(scope="batch")
def uses_pools(completions, cases):
    """Not wrong at all: processes that work for a reward."""
    texts = [completion.text for completion in completions]
    with multiprocessing.get_context("fork").Pool(2) as first, multiprocessing.get_context("spawn").Pool(1) as second:
        return [a / b for a, b in zip(first.map(len, texts), second.map(len, texts), strict=True)]


@reward
def leaves_threads(completion, case):
    """A thread that goes on after the call and writes on every descriptor."""
    threading.Thread(target=lambda: [(garble(b"x"), time.sleep(0.001)) for _ in range(10**6)]).start()
    return 1.0
