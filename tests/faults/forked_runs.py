"""`ecg-r1` commands in children of one process that has imported the libraries, each killed where it is told to be.

    python forked_runs.py < requests > answers        one JSON line each: {"argv": […], "kill": POINT or null}

A child is killed by SIGKILL, before it takes the step that `POINTS` describes. The answer is its exit status; -9 for a
kill.
"""

import json
import os
import signal
import sys

POINTS = {  # event of Python's audit hooks, the end of the path that it names
    "checkpoint without its state": ("open", "checkpoint-3/trainer_state.json"),
    "rotation": ("os.remove", "rng_state.pth"),
    "weights of the model without its tokenizer": ("open", "model.part/processor_config.json"),
    "model beside its place": ("os.rename", "/model.part"),
    "model without the mark": ("open", "finished.json.part"),
    "mark beside its place": ("os.rename", "finished.json.part"),
}


def die_at(point):
    event, ending = POINTS[point]

    def hook(happened, arguments):
        if happened == event and isinstance(arguments[0], str | os.PathLike) and str(arguments[0]).endswith(ending):
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def run(argv, kill):
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.dup2(2, 1)  # stdout is for the answers
    if kill:
        die_at(kill)
    sys.argv = ["ecg-r1", *argv]
    from ecg_r1.cli import main

    code = 0
    try:
        main()
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        import traceback

        traceback.print_exc()
        code = 1
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    from ecg_r1.train.processes import set_environment

    set_environment()
    from ecg_r1.train import fit, grpo, opened, pretrain, rewards, sft  # noqa: F401 (imported once for all children)

    for line in sys.stdin:
        print(json.dumps(run(**json.loads(line))), flush=True)
