"""Recipe: what a run is. Typed and validated; an unknown key is an error that names the nearest known one.

`base:` inherits from another file (deep merge), `key=value` on the command line overrides. Options of TRL, vLLM,
DeepSpeed and PEFT keep their own names under `trainer`, `rollout.options`, `deepspeed` and `lora`; they are checked
against those libraries where these are opened.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from ecg_r1.errors import UserError, did_you_mean, nearest

CLEARLY = 0.2  # so much more like a key must be one of another level than one of its own


class RecipeError(UserError):
    """A recipe cannot be read, or a key or value of it is wrong."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Strict):
    """Where the records of a split come from: the simulator, or a folder of WFDB records.

    folds: PTB-XL's `strat_fold`; needs ptbxl_database.csv in the folder or up to two levels above it. examples: a file
    of own questions about these records, in place of a report on each; see `ecg_r1.corpus.example_file`. limit: so many
    records, or examples of the file, drawn with the seed. unit_mv: mV that one unit of the samples stands for, of files
    that do not say (CODE-15%).
    """

    simulate: int | None = Field(None, gt=0)
    records: str | None = None
    folds: list[int] | None = None
    examples: str | None = None
    limit: int | None = Field(None, gt=0)
    unit_mv: float | None = Field(None, gt=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _one_source(self) -> Source:
        if (self.simulate is None) == (self.records is None):
            raise ValueError("give a source either `simulate: N` or `records: FOLDER`")
        for key in ("folds", "examples", "limit", "unit_mv"):
            if self.simulate is not None and getattr(self, key) is not None:
                raise ValueError(f"`{key}` is for `records: FOLDER`, not for `simulate`")
        return self


class Reports(_Strict):
    """Shares of the values that target texts quote wrongly; see `ecg_r1.corpus.reports`.

    The other values are quoted as measured.     `qt_from_qrs_end` is a share of the QT values that are not boilerplate.
    """

    boilerplate: float = Field(0.0, ge=0, le=1)
    rounded: float = Field(0.0, ge=0, le=1)
    qt_from_qrs_end: float = Field(0.0, ge=0, le=1)

    @model_validator(mode="after")
    def _leaves_something(self) -> Reports:
        if self.boilerplate + self.rounded > 1:
            raise ValueError("boilerplate + rounded is over 1")
        return self


Wording = Annotated[str, Field(pattern=r"\S")]


class Prompts(_Strict):
    """What the model is asked.

    question: wordings for the reports, of which each example draws one with the seed; the shipped one unless given.
    system: said before every question. Training on the split keeps it with the model: `predict`, `ask` and `serve`
    say it too.
    """

    question: list[Wording] = []
    system: Wording | None = None


class CorpusRecipe(_Strict):
    """Splits to build: records, measurements, pages, target texts.

    pages: "stored", or "drawn" when they are used, which costs milliseconds each and no room on disk.
    refuse_doubtful: quarantine records whose checksum or gain says that their signal is wrong; see docs/formats.md.
    """

    stage: Literal["corpus"]
    out: str
    seed: int = 0
    page_size: int = Field(112, ge=32, le=1024)
    pages: Literal["stored", "drawn"] = "stored"
    workers: int = Field(2, ge=1)
    refuse_doubtful: bool = False
    splits: dict[str, list[Source]]
    reports: Reports = Reports()
    prompts: Prompts = Prompts()


class Corpus(_Strict):
    """The splits that a run trains on and is evaluated on: folders that `ecg-r1 corpus` wrote."""

    train: str
    evaluate: str | None = None


class Reward(BaseModel):
    """A reward's name (registry, `path.py:function`, dotted path), its weight; every other key is an option of it."""

    model_config = ConfigDict(extra="allow", frozen=True)
    name: str
    weight: float = 1.0

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class Rollout(_Strict):
    """Who generates. `options` are vLLM's engine arguments by their own names."""

    engine: Literal["vllm", "hf"] = "vllm"
    mode: Literal["colocate"] = "colocate"
    dtype: str = "auto"
    options: dict[str, Any] = {}


class RewardWorkers(_Strict):
    """Worker processes of the rewards (0: in process), seconds a batch may take, share of errors that ends the run."""

    workers: int = Field(2, ge=0)
    timeout: float = Field(10.0, gt=0)
    max_error_share: float = Field(0.05, ge=0, le=1)


class Dropout(_Strict):
    """Shares of examples of which a part is hidden in training: drawn anew in each epoch, or step of GRPO, where the
    G completions of a prompt see the same. See `ecg_r1.train.dropout`.

    leads: shown with a random subset of their leads. ecg: without the signal, as a page alone; page: without the
    page; never without both. interleave: with the page before the signal. (ECG-R1's own: ecg 0.25, page 0.25,
    interleave 0.1.)
    """

    leads: float = Field(0.0, ge=0, le=1)
    ecg: float = Field(0.0, ge=0, le=1)
    page: float = Field(0.0, ge=0, le=1)
    interleave: float = Field(0.0, ge=0, le=1)

    @model_validator(mode="after")
    def _leaves_one(self) -> Dropout:
        if self.ecg + self.page > 1:
            raise ValueError("ecg + page is over 1")
        return self


class LoRA(BaseModel):
    """Adapters on the linear layers of the named parts; every other key is an option of PEFT's LoraConfig."""

    model_config = ConfigDict(extra="allow", frozen=True)
    parts: list[str] = Field(["language_model"], min_length=1)

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class _Run(_Strict):
    run: str
    model: str
    seed: int = 0
    corpus: Corpus
    freeze: list[str] = []
    lora: LoRA | None = None
    dropout: Dropout = Dropout()
    trainer: dict[str, Any] = {}
    deepspeed: str | None = None
    processes: int = Field(1, ge=1)


class PretrainRecipe(_Run):
    """The towers alone, before any text: diagnosis and measurements from pooled features."""

    stage: Literal["pretrain"]

    @model_validator(mode="after")
    def _sees_each_tower_alone(self) -> PretrainRecipe:
        if self.dropout.ecg or self.dropout.page or self.dropout.interleave:
            raise ValueError("the towers are trained apart, so `dropout` can only hide `leads`")
        return self


class SFTRecipe(_Run):
    """Supervised fine-tuning on the responses of the corpus."""

    stage: Literal["sft"]


class GRPORecipe(_Run):
    """GRPO: rollouts, rewards, policy updates.

    credit: a name of `ecg_r1.train.advantages.ADVANTAGES`; it is checked there. shared_prefix: the policy reads a
    prompt once for its G completions, with the same result; see `ecg_r1.train.shared_prefix`.
    """

    stage: Literal["grpo"]
    shared_prefix: bool = False
    rewards: list[Reward] = Field(min_length=1)
    reward_workers: RewardWorkers = RewardWorkers()
    credit: str = "sequence"
    rollout: Rollout = Rollout()


class Decoding(_Strict):
    """How answers are generated; the sampling options have vLLM's names.

    max_tokens: longest answer; if left out, the longest that one of the models needs: its `max_completion_length`, or
    half as much again as the longest target of the split. n: answers for each example.
    """

    engine: Literal["vllm", "hf"] = "vllm"
    temperature: float = Field(0.0, ge=0)
    top_p: float = Field(1.0, gt=0, le=1)
    max_tokens: int | None = Field(None, ge=1)
    n: int = Field(1, ge=1)

    @model_validator(mode="after")
    def _samples_where_it_says_so(self) -> Decoding:
        for key, given in (("top_p", self.top_p < 1), ("n", self.n > 1)):
            if given and self.temperature == 0:
                raise ValueError(f"{key} changes nothing at temperature 0; set a temperature, or leave {key} out")
        return self


class EvaluateRecipe(_Strict):
    """Models compared on the same examples.

    models: runs or checkpoint folders, earlier first: each pair is compared as later minus earlier. corpus: the split;
    if left out, the one that the runs' recipes name as `corpus.evaluate`. seeds: `compare.json` of the same comparison
    trained from other seeds, or their folders. out: folder of `compare.json` and `report.html`. resamples: of the
    bootstrap. seed: of the bootstrap, of sampling, and of what the report shows.
    """

    stage: Literal["evaluate"]
    models: list[str] = Field(min_length=1)
    corpus: str | None = None
    decoding: Decoding = Decoding()
    seeds: list[str] = []
    out: str = "runs"
    resamples: int = Field(2000, ge=1)
    seed: int = Field(0, ge=0)


RunRecipe = PretrainRecipe | SFTRecipe | GRPORecipe
Recipe = CorpusRecipe | PretrainRecipe | SFTRecipe | GRPORecipe | EvaluateRecipe
_ADAPTER: TypeAdapter[Recipe] = TypeAdapter(Annotated[Recipe, Field(discriminator="stage")])
_STAGES: dict[str, type[BaseModel]] = {
    "corpus": CorpusRecipe, "pretrain": PretrainRecipe, "sft": SFTRecipe, "grpo": GRPORecipe,
    "evaluate": EvaluateRecipe,
}  # fmt: skip


class _Loader(yaml.SafeLoader):
    """YAML 1.1 reads `1e-4` as a string, which a learning rate must never become, and `no` as false, where
    transformers has an option of that name.
    """

    yaml_implicit_resolvers = {  # noqa: RUF012
        letter: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
        for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)


def read_recipe(path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read, inherit, override, validate.

    Args:
        path: a YAML file.
        overrides: `key=value` or `section.key=value`; the value is read as YAML.

    Raises:
        RecipeError: the file is missing or no mapping, a `base` goes in a circle, a key is unknown, a value is wrong.
    """
    path = Path(path)
    values = _inherit(path, ())
    for override in overrides:
        _override(values, override)
    return _validate(values, str(path), [override.partition("=")[0] for override in overrides])


def _inherit(path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    if path.resolve() in seen:
        raise RecipeError(f"{path}: `base` goes in a circle")
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # a SafeLoader
    except FileNotFoundError:
        near = did_you_mean(path.name, (p.name for p in path.parent.glob("*.yaml")))
        raise RecipeError(f"{path}: no such recipe{near}") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RecipeError(f"{path}: cannot be read as YAML: {error}") from None
    if not isinstance(values, dict):
        raise RecipeError(f"{path}: a recipe is a mapping of keys to values")
    base = values.pop("base", None)
    return values if base is None else _merge(_inherit(path.parent / base, (*seen, path.resolve())), values)


def _merge(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def _override(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise RecipeError(f"override {override!r}: write it key=value or section.key=value")
    *sections, last = key.split(".")
    for section in sections:
        inner = values.setdefault(section, {})
        if not isinstance(inner, dict):
            raise RecipeError(f"override {override!r}: {section!r} holds no keys")
        values = inner
    try:
        values[last] = yaml.load(text, _Loader)  # a SafeLoader
    except yaml.YAMLError as error:
        raise RecipeError(f"override {override!r}: the value cannot be read as YAML: {error}") from None


def _validate(values: dict[str, Any], path: str, overridden: Sequence[str]) -> Recipe:
    try:
        return _ADAPTER.validate_python(values)
    except ValidationError as error:
        model = _STAGES.get(str(values.get("stage")))
        raise RecipeError(
            "\n".join(f"{_where(e, path, overridden)}: {_explain(e, model)}" for e in error.errors())
        ) from None


def _where(error: Any, path: str, overridden: Sequence[str]) -> str:
    """Whose mistake it is: the file's, or the command line's over it."""
    key = ".".join(str(part) for part in error["loc"][1:]) or "stage"
    said_there = any(f"{key}.".startswith(f"{given}.") for given in overridden)
    return f"{path}, on the command line" if said_there else path


def _explain(error: Any, model: type[BaseModel] | None) -> str:
    if error["type"] in ("union_tag_not_found", "union_tag_invalid"):
        given = error["input"].get("stage")
        return f"`stage` must be one of {', '.join(_STAGES)}{did_you_mean(given, _STAGES)}"
    place = error["loc"][1:]  # the first part is the stage
    key = ".".join(str(part) for part in place)
    if error["type"] == "extra_forbidden":
        here = _known_keys(model, place[:-1])
        return f'unknown key "{key}"' + (_elsewhere(place[-1], here, model) or did_you_mean(place[-1], here))
    if error["type"] == "missing":
        return f'key "{key}" is missing'
    if error["type"] == "literal_error":
        near = did_you_mean(error["input"], re.findall(r"'(.+?)'", error["ctx"]["expected"]))
        return f'"{key}": {error["msg"]} (found {error["input"]!r}){near}'
    return f'"{key}": {error["msg"]} (found {error["input"]!r})'


def _known_keys(model: type[BaseModel] | None, place: Sequence[Any]) -> list[str]:
    """Keys of the sub-model at `place`."""
    for part in place:
        if model is not None and part in model.model_fields:  # else an index, or a key of a mapping
            model = next(_models(model.model_fields[part].annotation), None)
    return list(model.model_fields) if model is not None else []


def _elsewhere(key: str, here: Sequence[str], model: type[BaseModel] | None) -> str:
    """The end of the message for a key that another level of the recipe has; "" where none there is clearly nearer."""
    places = {place.rpartition(".")[2]: place for place in _places(model)} if model else {}
    near, near_here = nearest(key, places), nearest(key, here)
    if near is None or (near_here and _likeness(near, key) < _likeness(near_here, key) + CLEARLY):
        return ""
    return f' — did you mean "{places[near]}"?'


def _likeness(a: str, b: str) -> float:
    return SequenceMatcher(None, a, b).ratio()


def _places(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """The keys of all levels of a stage, as a recipe's overrides write them: "corpus.train", "splits.<name>.limit"."""
    for name, field in model.model_fields.items():
        inner = f"{prefix}{name}." + ("<name>." if get_origin(field.annotation) is dict else "")
        for sub in _models(field.annotation):
            yield from _places(sub, inner)
        yield f"{prefix}{name}"


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models in an annotation such as `dict[str, list[Source]]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)


def unknown_key(key: str, known: Iterable[str]) -> str:
    """The message for an unknown key, with the nearest known one."""
    return f'unknown key "{key}"' + did_you_mean(key.rsplit(".", 1)[-1], known)


def to_yaml(recipe: Recipe) -> str:
    """The resolved recipe, as kept in a run directory and compared on resume."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
