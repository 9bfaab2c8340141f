"""Two nodes on this machine: network namespaces joined by a cable, each with a loopback of its own.

Where the system does not let us make them: two launchers on loopback.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

from ports import free_port


class Node(NamedTuple):
    """Where a command runs: the words before it, its variables, and the node's address."""

    prefix: list[str]
    variables: dict[str, str]
    address: str


def system(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)


@contextmanager
def two_nodes() -> Iterator[list[Node]]:
    names = [f"ecg{os.getpid()}n{i}" for i in range(2)]
    cables = [f"v{os.getpid()}n{i}" for i in range(2)]
    with ExitStack() as made:
        try:
            if shutil.which("ip") is None:
                raise OSError("no program `ip`")
            for name in names:
                system("ip", "netns", "add", name)
                made.callback(subprocess.run, ["ip", "netns", "del", name], check=False, capture_output=True)
            system(
                "ip", "link", "add", cables[0], "netns", names[0], "type", "veth", "peer", cables[1], "netns", names[1]
            )
            for i, (name, cable) in enumerate(zip(names, cables, strict=True)):
                system("ip", "-n", name, "address", "add", f"10.231.77.{i + 1}/24", "dev", cable)
                system("ip", "-n", name, "link", "set", cable, "up")
                system("ip", "-n", name, "link", "set", "lo", "up")
        except (OSError, subprocess.CalledProcessError):
            yield [Node([], {}, "127.0.0.1")] * 2
            return
        yield [
            Node(["ip", "netns", "exec", name], {"GLOO_SOCKET_IFNAME": cable}, f"10.231.77.{i + 1}")
            for i, (name, cable) in enumerate(zip(names, cables, strict=True))
        ]


def torchrun(nodes: Sequence[Node], number: int, port: str) -> list[str]:
    """What is typed on one of the nodes, up to the program that it starts once."""
    place = ["--nnodes", str(len(nodes)), "--node_rank", str(number), "--nproc_per_node", "1"]
    master = ["--master_addr", nodes[0].address, "--master_port", port]
    return [sys.executable, "-m", "torch.distributed.run", *place, *master, "-m", "ecg_r1"]


def start(node: Node, command: Sequence[str], **variables: str) -> subprocess.Popen[str]:
    # Debian's `ip netns exec` needs no PATH of ours, and the program keeps the folder and the variables
    environment = os.environ | node.variables | {"OMP_NUM_THREADS": "1"} | variables
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([*node.prefix, *command], env=environment, **pipes)


def on_both(nodes: Sequence[Node], *words: object, **variables: str) -> list[tuple[int, str, str]]:
    """`ecg-r1 WORD …` by one torchrun on each node: exit code, stdout, stderr."""
    port = str(free_port())
    started = [start(node, [*torchrun(nodes, i, port), *map(str, words)], **variables) for i, node in enumerate(nodes)]
    try:
        return [(process.returncode, *said) for process in started for said in [process.communicate(timeout=540)]]
    finally:
        for process in started:
            process.kill()
            process.wait()
