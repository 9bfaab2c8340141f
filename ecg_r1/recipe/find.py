"""Recipes by name: a file, or one that comes with the package."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path

from ecg_r1.errors import did_you_mean, nearest
from ecg_r1.recipe.messages import SHOWN
from ecg_r1.recipe.schema import check_place
from ecg_r1.recipe.text import RecipeError

LISTED = "`ecg-r1 recipes` lists those that come with ecg_r1"


def shipped_recipes() -> dict[str, Path]:
    """The recipes that come with the package: name, such as "tiny/sft" -> file."""
    folder = Path(str(files("ecg_r1"))) / "recipes"
    found = sorted(folder.glob("*/*.yaml"))
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in found}


def find_recipe(name: str, folder: Path = Path()) -> Path:
    """Find a recipe. A file comes before a shipped recipe of the same name.

    Args:
        name: a path, or the name of a shipped recipe.
        folder: from where a relative path counts.

    Raises:
        RecipeError: there is neither; the message names the nearest one.
    """
    try:
        check_place(name)
    except ValueError as error:
        raise RecipeError(f"{SHOWN.repr(name)} is no recipe: {error}") from None
    path = folder / name
    if os.path.lexists(path) and not os.path.isdir(path):
        return path
    shipped = shipped_recipes()
    if name in shipped:
        return shipped[name]
    if os.path.isdir(path):
        raise RecipeError(f"{path}: is a folder; name a recipe in it")
    plain = name.removesuffix(".yaml").removeprefix("recipes/")
    if plain in shipped:
        raise RecipeError(f'{path}: no such recipe — did you mean "{plain}"? {LISTED}')
    beside = [other.name for other in path.parent.glob("*.yaml")]
    near = did_you_mean(path.name, beside) if nearest(path.name, beside) else did_you_mean(plain, shipped)
    raise RecipeError(f"{path}: no such recipe{near}{'' if near else ';'} {LISTED}")
