"""Regular expressions mean the same on each Python that the package supports."""

import subprocess
import sys

COLLECT = """
import importlib, pkgutil, re, sys
from re import _constants as codes, _parser  # the only way to see what a pattern consists of

SINGLE = {codes.LITERAL, codes.NOT_LITERAL, codes.IN, codes.ANY, codes.CATEGORY}

def groups(parsed):
    for code, value in parsed:
        if code is codes.ATOMIC_GROUP or code is codes.POSSESSIVE_REPEAT and not (
            len(value[2]) == 1 and value[2][0][0] in SINGLE
        ):
            yield code
        for part in value if isinstance(value, (tuple, list)) else ():
            for each in part if isinstance(part, list) else (part,):
                if isinstance(each, _parser.SubPattern):
                    yield from groups(each)

compiled, original = {}, re.compile
def compile(pattern, flags=0):
    found = original(pattern, flags)
    compiled.setdefault((found.pattern, found.flags), sys._getframe(1).f_globals["__name__"])
    return found
re.compile = compile
NAMES = "reading scoring ecg corpus datasets evaluation rewards"
for name in (f"ecg_r1.{room}" for room in NAMES.split()):
    for module in pkgutil.walk_packages(importlib.import_module(name).__path__, name + "."):
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:  # what stands for another harness, which is not installed
            if str(error.name).startswith("ecg_r1"):
                raise
print(len(compiled))
for (pattern, flags), where in compiled.items():
    ours = isinstance(pattern, str) and where.startswith("ecg_r1")
    if ours and list(groups(_parser.parse(pattern, flags))):
        print(where, pattern[:200].replace(chr(10), " "))
"""


def test_no_group_is_possessive():
    """Before 3.11.5 (gh-106052; Debian 12 has 3.11.2) such a group may match nothing where its inside backtracks."""
    done = subprocess.run([sys.executable, "-c", COLLECT], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    seen, *wrong = done.stdout.splitlines()
    assert int(seen) > 100
    assert wrong == []
