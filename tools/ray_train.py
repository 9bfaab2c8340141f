"""Runs a training recipe on several nodes of a Ray cluster: on each of them torchrun, as docs/scale.md has it.

    RAY_ADDRESS=FIRST:6379 python tools/ray_train.py NODES PER_NODE RECIPE [key=value …]

PER_NODE processes on each node, each with a GPU where the cluster has any. The recipe and its folders lie on a file
system that all nodes share. The exit code is that of the process that failed first.
"""

import os
import socket
import subprocess
import sys

import ray
from ray.util.placement_group import placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from ecg_r1.train.processes import end_with_parent


def meeting_place() -> tuple[str, int]:
    """This node's address, and a port that is free on it."""
    with socket.socket() as probe:
        probe.bind(("", 0))
        return ray.util.get_node_ip_address(), probe.getsockname()[1]


def torchrun(number: int, nodes: int, per_node: int, place: tuple[str, int], folder: str, words: list[str]) -> int:
    """Run this node's processes, and return their exit code; they end with the task, and the task with the driver."""
    on = ["--nnodes", nodes, "--node_rank", number, "--nproc_per_node", per_node]
    at = ["--master_addr", place[0], "--master_port", place[1]]
    command = [
        "-m",
        "ecg_r1.train.torchrun",
        *on,
        *at,
        "-m",
        "ecg_r1",
        "train",
        *words,
        f"processes={nodes * per_node}",
    ]
    done = subprocess.run([sys.executable, *map(str, command)], cwd=folder, preexec_fn=end_with_parent, check=False)
    return done.returncode


def main() -> None:
    nodes, per_node, *words = sys.argv[1:]
    count, each = int(nodes), int(per_node)
    ray.init()
    kind = "GPU" if ray.cluster_resources().get("GPU") else "CPU"
    group = placement_group([{kind: each}] * count, strategy="STRICT_SPREAD")  # each bundle on a node of its own
    ray.get(group.ready())

    def placed(number: int, **resources: float) -> dict:
        where = PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=number)
        return {"scheduling_strategy": where, "num_cpus": 0, "max_retries": 0, **resources}

    place = ray.get(ray.remote(meeting_place).options(**placed(0)).remote())
    resources = {"num_gpus": each} if kind == "GPU" else {"num_cpus": each}
    tasks = [
        ray.remote(torchrun).options(**placed(i, **resources)).remote(i, count, each, place, os.getcwd(), words)
        for i in range(count)
    ]
    while tasks:
        done, tasks = ray.wait(tasks)
        if code := ray.get(done[0]):
            sys.exit(code)


if __name__ == "__main__":
    main()
