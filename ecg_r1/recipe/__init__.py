"""Recipe: what a run is. Typed and validated; an unknown key is an error that names the nearest known one.

`base:` inherits from another file or from a shipped recipe (deep merge), `key=value` on the command line overrides.
Options of TRL, vLLM, DeepSpeed and PEFT keep their own names under `trainer`, `rollout.options`, `deepspeed` and
`lora`; they are checked against those libraries where these are opened.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from ecg_r1.recipe.endpoint import Endpoint, Rewrite, Route
from ecg_r1.recipe.find import find_recipe, shipped_recipes
from ecg_r1.recipe.messages import SHOWN, explain, unknown_key
from ecg_r1.recipe.schema import (
    Align,
    Corpus,
    CorpusRecipe,
    Corruption,
    Curriculum,
    Decoding,
    Dropout,
    DynamicSampling,
    EvaluateRecipe,
    GRPORecipe,
    Hearts,
    HeldOut,
    LoRA,
    Pages,
    PretrainRecipe,
    ProbeRecipe,
    Prompts,
    Queries,
    Recipe,
    Rehearsal,
    Reports,
    Reward,
    RewardWorkers,
    Rollout,
    RunRecipe,
    SFTRecipe,
    Source,
)
from ecg_r1.recipe.text import DEEPEST, LARGEST, LONGEST_KEY, RecipeError, dump, parse, read_file

__all__ = [
    "Align",
    "Corpus",
    "CorpusRecipe",
    "Corruption",
    "Curriculum",
    "Decoding",
    "Dropout",
    "DynamicSampling",
    "Endpoint",
    "EvaluateRecipe",
    "GRPORecipe",
    "Hearts",
    "HeldOut",
    "LoRA",
    "Pages",
    "PretrainRecipe",
    "ProbeRecipe",
    "Prompts",
    "Queries",
    "Recipe",
    "RecipeError",
    "Rehearsal",
    "Reports",
    "Reward",
    "RewardWorkers",
    "Rewrite",
    "Rollout",
    "Route",
    "RunRecipe",
    "SFTRecipe",
    "Source",
    "find_recipe",
    "make_recipe",
    "read_endpoint",
    "read_recipe",
    "shipped_recipes",
    "to_yaml",
    "unknown_key",
]

BASES = 8  # files above each other
_ADAPTER: TypeAdapter[Recipe] = TypeAdapter(Annotated[Recipe, Field(discriminator="stage")])


def read_recipe(path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read, inherit, override, validate.

    Args:
        path: a YAML file, or the name of a shipped recipe, such as "tiny/sft".
        overrides: `key=value` or `section.key=value`; the value is read as YAML.

    Raises:
        RecipeError: the file is missing, too large or no mapping, a `base` goes in a circle, a key is unknown or given
            twice, a value is wrong.
    """
    return make_recipe(_inherit(find_recipe(str(path)), (), LARGEST), overrides, str(path))


def make_recipe(values: dict[str, Any], overrides: Sequence[str], name: str) -> Recipe:
    """Override and validate what was not read from one file.

    Args:
        values: of the recipe's keys.
        overrides: as of `read_recipe`.
        name: of the recipe, for messages.

    Raises:
        RecipeError: as of `read_recipe`.
    """
    for override in overrides:
        values = _override(values, override)
    try:
        return _ADAPTER.validate_python(values)
    except ValidationError as error:
        overridden = [override.partition("=")[0] for override in overrides]
        raise RecipeError(*explain(error, values, name, overridden)) from None


def read_endpoint(path: str | Path) -> Endpoint:
    """Read a file with the keys of one endpoint.

    Raises:
        RecipeError: the file is missing or no mapping, a key is unknown, a value is wrong.
    """
    values, _ = read_file(Path(path))
    if not isinstance(values, dict):
        raise RecipeError(f"{path}: the file of an endpoint is a mapping of keys to values")
    if "stage" in values:
        raise RecipeError(f"{path}: is a recipe and no endpoint; give it to `ecg-r1 evaluate`")
    asked = {"stage": "evaluate", "models": [values]}
    try:
        recipe: Any = _ADAPTER.validate_python(asked)
    except ValidationError as error:
        raise RecipeError(*(line.replace('"models.0.', '"') for line in explain(error, asked, str(path), []))) from None
    return recipe.models[0]


def to_yaml(recipe: Recipe) -> str:
    """The resolved recipe, as kept in a run directory and compared on resume."""
    return dump(recipe.model_dump(mode="json"))


def _inherit(path: Path, above: tuple[str, ...], left: int) -> dict[str, Any]:
    """
    Args:
        above: the real paths of the recipes that this one is a base of.
        left: bytes that this recipe and its bases may have.
    """
    real = os.path.realpath(path)
    if real in above:
        raise RecipeError(f"{path}: `base` goes in a circle")
    if len(above) > BASES:
        raise RecipeError(f"{path}: more than {BASES} recipes are the `base` of each other")
    values, size = read_file(path)
    if size > left:
        raise RecipeError(f"{path}: the recipe and its bases are larger than {LARGEST:,} bytes")
    if not isinstance(values, dict):
        raise RecipeError(f"{path}: a recipe is a mapping of keys to values")
    base = values.pop("base", None)
    if base is None:
        return values
    if not isinstance(base, str):
        raise RecipeError(f'{path}: "base" is the name of a recipe, not {SHOWN.repr(base)}')
    return _merge(_inherit(find_recipe(base, path.parent), (*above, real), left - size), values)


def _merge(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def _override(values: dict[str, Any], override: str) -> dict[str, Any]:
    key, equals, text = override.partition("=")
    shown = SHOWN.repr(override)
    if not equals or not key:
        raise RecipeError(f"override {shown}: write it key=value or section.key=value")
    sections = key.split(".")
    if len(sections) > DEEPEST or not all(part.isprintable() and len(part) <= LONGEST_KEY for part in sections):
        raise RecipeError(f"override {shown}: no key has such a name")
    return _replaced(values, sections, parse(text, f"override {shown}"), shown)


def _replaced(values: dict[str, Any], sections: Sequence[str], value: Any, override: str) -> dict[str, Any]:
    """A copy: sections that an alias repeats are one object, of which one place is changed."""
    first, *rest = sections
    if rest:
        inner = values.get(first, {})
        if not isinstance(inner, dict):
            raise RecipeError(f"override {override}: {first!r} holds no keys")
        value = _replaced(inner, rest, value, override)
    return {**values, first: value}
