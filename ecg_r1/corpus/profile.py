"""A corruption profile: which share of the values that texts quote is wrong in which way, by quantity.

`ecg-r1 corpus audit` measures it on a corpus and writes it, and a recipe takes it: `corruption: {profile: FILE}`.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ecg_r1.ecg.quantities import EXPECTED, QUANTITIES
from ecg_r1.errors import UserError, did_you_mean
from ecg_r1.files import read_object
from ecg_r1.recipe import Corruption

SHIPPED = Path(str(files("ecg_r1").joinpath("data", "profiles")))
LARGEST = 1 << 20  # bytes of a profile
FARTHEST = 1e5  # in a quantity's unit: beyond what a slip of the unit makes of it
Value = Annotated[float, Field(ge=-FARTHEST, le=FARTHEST)]


class ProfileError(UserError):
    """A file that is no corruption profile; the message names the file and the key."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Share(_Strict):
    """A share with its 95% interval: that of Wilson's score."""

    share: float = Field(ge=0, le=1)
    low: float = Field(0.0, ge=0, le=1)
    high: float = Field(1.0, ge=0, le=1)


class Template(_Strict):
    """A value that a template puts there, whatever the signal, and in which share of the texts."""

    value: Value
    share: Share


class Quantity(_Strict):
    """How the values of one quantity are wrong; the others are as measured.

    Attributes:
        quotes: that were judged.
        supported: of the judged quotes, those that the signal supports.
        templates: see `Template`; no matter whether there is something to measure.
        rounded: of all values, those that are measured and rounded to a step.
        step: in the quantity's unit.
        other: of all values, those that are wrong for no reason that is known. errors: nine deciles of their errors, of
            which one is drawn and added to the measurement.
        from_qrs_end: of the other QT values, those that are counted from the end of the QRS.
    """

    quotes: int = Field(0, ge=0)
    supported: Share | None = None
    templates: list[Template] = Field([], max_length=100)
    rounded: Share = Share(share=0)
    step: float = Field(1.0, gt=0, le=1000)
    other: Share = Share(share=0)
    errors: list[Value] = Field([], max_length=99)
    from_qrs_end: Share = Share(share=0)

    @property
    def templated(self) -> float:
        """The share of all templates."""
        return sum(template.share.share for template in self.templates)

    @model_validator(mode="after")
    def _leaves_something(self) -> Quantity:
        if self.templated + self.rounded.share + self.other.share > 1 + 1e-6:
            raise ValueError("the templates, `rounded` and `other` together are over 1")
        if self.other.share and not self.errors:
            raise ValueError("`other` needs `errors`")
        return self


class Profile(_Strict):
    """A profile by quantity; one that is left out is quoted as measured. source: what it was measured on."""

    source: str = ""
    quantities: dict[str, Quantity] = {}

    @model_validator(mode="after")
    def _knows_its_quantities(self) -> Profile:
        if unknown := [name for name in self.quantities if name not in EXPECTED]:
            raise ValueError(f"unknown quantity {unknown[0]!r}; there are {', '.join(EXPECTED)}")
        return self


@lru_cache(4)
def profile_of(corruption: Corruption, boilerplate: tuple[tuple[str, float], ...], steps: tuple[float, ...]) -> Profile:
    """The profile that a recipe names, or one of its shares, the same for each quantity.

    Args:
        corruption: of the recipe.
        boilerplate: the value of each quantity that the shipped template has.
        steps: to which each of them is rounded.

    Raises:
        ProfileError: the file is missing or no profile.
    """
    if corruption.profile is not None:
        return find_profile(corruption.profile)
    quantities = {
        name: Quantity(
            templates=[Template(value=value, share=Share(share=corruption.boilerplate))],
            rounded=Share(share=corruption.rounded),
            step=step,
            from_qrs_end=Share(share=corruption.qt_from_qrs_end if name == "qt_ms" else 0),
        )
        for (name, value), step in zip(boilerplate, steps, strict=True)
    }
    return Profile(quantities=quantities)


def find_profile(name: str) -> Profile:
    """A profile: a file, or the name of one that comes with the package.

    Raises:
        ProfileError: there is neither, or the file is no profile; the message names the nearest name.
    """
    shipped = {path.stem: path for path in sorted(SHIPPED.glob("*.json"))}
    if name in shipped:
        return read_profile(shipped[name])
    path = Path(name)
    if path.suffix or len(path.parts) > 1 or path.exists():
        return read_profile(path)
    near = did_you_mean(name, shipped)
    raise ProfileError(f"no corruption profile {name!r}{near or '; known: ' + ', '.join(shipped)}; your own is a file")


def read_profile(path: Path) -> Profile:
    """Read a profile that `ecg-r1 corpus audit` wrote.

    Raises:
        ProfileError: the file is missing or no profile.
    """
    data: dict[str, Any] = read_object(path, LARGEST, ProfileError)
    try:
        return Profile.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ProfileError(f"{path}: no corruption profile: {where}: {first['msg']}") from None


def stated(profile: Profile) -> dict[str, float]:
    """The shares of a profile that are not 0, for reports."""
    found: dict[str, float] = {}
    for name, quantity in profile.quantities.items():
        title = QUANTITIES[name].title
        found |= {
            f"{title}: boilerplate": quantity.templated,
            f"{title}: rounded": quantity.rounded.share,
            f"{title}: otherwise wrong": quantity.other.share,
            f"{title}: from the end of the QRS": quantity.from_qrs_end.share,
        }
    return {name: round(share, 4) for name, share in found.items() if share}
