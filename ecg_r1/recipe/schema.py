"""What a recipe holds: the keys of each stage, their types and their bounds."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, Field, model_validator

from ecg_r1.errors import did_you_mean
from ecg_r1.recipe.endpoint import Compared, Rewrite
from ecg_r1.recipe.fields import Place, Seed, Strict, check_place
from ecg_r1.recipe.parts import Dropout, LoRA, Pages, Reward, RewardWorkers, Rollout

LabelKind = Literal["diagnostic", "form", "rhythm"]
TABLES = (".csv", ".tsv", ".csv.gz", ".parquet")


def _check_table(path: str) -> str:
    if not path.lower().endswith(TABLES):
        near = did_you_mean(path, (*get_args(LabelKind), "report"))
        raise ValueError(f"neither a kind of statement nor a table ({', '.join(TABLES)}){near}")
    return check_place(path)


LabelTable = Annotated[str, AfterValidator(_check_table)]


class Source(Strict):
    """Where the records of a split come from: the simulator, or a folder of records.

    dataset: the name of a data set's card, or a card's file; a folder with an index that is known (PTB-XL's, LUDB's,
    MIMIC-IV-ECG's) needs none. folds: of 1 to 10: PTB-XL's `strat_fold`, or those that the card draws by patient.
    examples: a file of questions about these records, in place of a report on each, in any format of
    `ecg_r1.datasets.formats`. limit: so many records, or examples of the file, drawn with the seed. labels: a table
    of your own, CSV or parquet, in which a row names a record and its labels; or which kinds of the data set's
    statements are the truth; what an answer says of the other kinds is then neither right nor wrong; or "report": what
    the record's own report says (`ecg_r1.scoring.entities`), for records without labels. columns: what
    the columns of that table are (`record`, `labels`, `patient`, `fold`, `report`), where their names do not say it.
    likelihood: leave out statements that the cardiologists thought less likely than this, in percent; 0 in the table
    means that none is given, and such a statement is kept. unit_mv: mV that one unit of the samples stands for, of
    files that do not say (CODE-15%). balanced: of the `limit` records, each next one has the statement that has been
    drawn least often; see `ecg_r1.corpus.balance`. diagnoses: that the simulator takes in turn instead of its eleven;
    "a; b" is a heart with both.
    """

    simulate: int | None = Field(None, gt=0)
    diagnoses: list[str] | None = Field(None, min_length=1)
    records: Place | None = None
    dataset: Place | None = None
    folds: list[int] | None = None
    examples: Place | None = None
    limit: int | None = Field(None, gt=0)
    labels: LabelKind | list[LabelKind] | Literal["all", "report"] | LabelTable | None = None
    columns: dict[str, str | list[str]] | None = None
    likelihood: float | None = Field(None, ge=0, le=100)
    unit_mv: float | None = Field(None, gt=0)
    balanced: bool = False

    @property
    def kinds(self) -> list[str] | None:
        """The kinds of `labels`; None for all of them."""
        if self.labels in (None, "all", "report") or self.table is not None:
            return None
        return [self.labels] if isinstance(self.labels, str) else list(self.labels or ())

    @property
    def table(self) -> str | None:
        """The file of `labels`, where it names one."""
        return self.labels if isinstance(self.labels, str) and self.labels.lower().endswith(TABLES) else None

    @model_validator(mode="after")
    def _one_source(self) -> Source:
        if (self.simulate is None) == (self.records is None):
            raise ValueError("give a source either `simulate: N` or `records: FOLDER`")
        for key in ("dataset", "folds", "examples", "limit", "labels", "columns", "likelihood", "unit_mv", "balanced"):
            if self.simulate is not None and getattr(self, key) not in (None, False):
                raise ValueError(f"`{key}` is for `records: FOLDER`, not for `simulate`")
        if self.simulate is None and self.diagnoses is not None:
            raise ValueError("`diagnoses` is for `simulate: N`, not for `records`")
        if self.balanced and (self.limit is None or self.examples is not None):
            raise ValueError("`balanced` says how `limit` records are drawn; it needs a `limit`, and no `examples`")
        return self


class Reports(Strict):
    """How target texts are written.

    style: "full", a reading from quality to conclusion with evidence for each diagnosis; "brief", four quantities and a
    finding, for models of a few million parameters. language: of the texts and the shipped questions. questions: so
    many questions with answers that can be checked are asked of each record beside its report; see
    `ecg_r1.corpus.text.questions`. families, forms: of these questions; the family `beats` asks when premature beats
    come, and is left out unless named. findings: that the family `morphology` asks about. report: False asks for no
    report on the records, only the questions. knowledge: a question about a finding says first what the finding means.
    """

    style: Literal["full", "brief"] = "full"
    language: Literal["en", "de", "zh"] = "en"
    questions: int = Field(0, ge=0, le=18)
    families: list[Literal["feature", "rhythm", "morphology", "report", "beats"]] = Field(
        ["feature", "rhythm", "morphology", "report"], min_length=1
    )
    forms: list[Literal["open", "closed", "fill", "choice"]] = Field(["open", "closed", "fill", "choice"], min_length=1)
    findings: list[Literal["st_elevation", "st_depression", "t_inversion", "q_pathological"]] = Field(
        ["st_elevation", "st_depression", "t_inversion", "q_pathological"], min_length=1
    )
    report: bool = True
    knowledge: bool = False

    @model_validator(mode="after")
    def _asks_something(self) -> Reports:
        if not self.report and not self.questions:
            raise ValueError("`report: false` leaves the `questions` alone, and there are none")
        return self


class Corruption(Strict):
    """Shares of the values that target texts quote wrongly, on purpose; see `ecg_r1.corpus.text.corruption`.

    The other values are quoted as measured. `qt_from_qrs_end` is a share of the QT values that are not boilerplate.
    profile: a file that `ecg-r1 corpus audit` wrote, in place of the shares: those of a corpus that exists; or the name
    of one of `data/profiles`.
    """

    boilerplate: float = Field(0.0, ge=0, le=1)
    rounded: float = Field(0.0, ge=0, le=1)
    qt_from_qrs_end: float = Field(0.0, ge=0, le=1)
    profile: Place | None = None

    @property
    def shares(self) -> dict[str, float]:
        """Those that the recipe states."""
        return self.model_dump(exclude={"profile"})

    @model_validator(mode="after")
    def _leaves_something(self) -> Corruption:
        if self.boilerplate + self.rounded > 1:
            raise ValueError("boilerplate + rounded is over 1")
        if self.profile is not None and any(self.shares.values()):
            raise ValueError("a `profile` has its own shares; leave the others out")
        return self


Wording = Annotated[str, Field(pattern=r"\S")]


class Prompts(Strict):
    """What the model is asked.

    question: wordings for the reports, of which each example draws one with the seed; the shipped one unless given.
    system: said before every question. Training on the split keeps it with the model: `predict`, `ask` and `serve`
    say it too.
    """

    question: list[Wording] = []
    system: Wording | None = None


class CorpusRecipe(Strict):
    """Splits to build: records, measurements, pages, target texts.

    pages: "stored", or "drawn" when they are used, which costs milliseconds each and no room on disk.
    executor: where records are worked on: "here" in this process, in "processes" of this machine, or on "ray";
    workers: how many at a time. The bytes are the same. cache: folder of what was measured and drawn, by the content of
    a record's files and the version of the measuring code; null for none. See docs/scale.md.
    refuse_doubtful: quarantine records whose checksum or gain says that their signal is wrong; see docs/formats.md.
    refuse_conflicts: quarantine records, simulated ones too, whose signal disagrees with their label: conflicts.jsonl
    lists these otherwise.
    rewrite: a language model that words the texts anew; what it changes of their content is refused.
    """

    stage: Literal["corpus"]
    out: Place
    seed: Seed = 0
    page_size: int = Field(112, ge=32, le=1024)
    pages: Literal["stored", "drawn"] = "stored"
    executor: Literal["here", "processes", "ray"] = "processes"
    workers: int = Field(2, ge=1)
    cache: Place | None = "runs/cache"
    refuse_doubtful: bool = False
    refuse_conflicts: bool = False
    splits: dict[str, list[Source]]
    reports: Reports = Reports()
    rewrite: Rewrite | None = None
    corruption: Corruption = Corruption()
    prompts: Prompts = Prompts()

    @model_validator(mode="after")
    def _can_verify(self) -> CorpusRecipe:
        if self.rewrite is not None and (self.corruption.profile or any(self.corruption.shares.values())):
            raise ValueError(
                "`rewrite` verifies each number against the record, and `corruption` makes some wrong; leave one out"
            )
        return self


class Corpus(Strict):
    """The splits that a run trains on and is evaluated on: folders that `ecg-r1 corpus` wrote."""

    train: Place
    evaluate: Place | None = None


class _Run(Strict):
    run: Place
    model: Place
    seed: Seed = 0
    corpus: Corpus
    freeze: list[str] = []
    lora: LoRA | None = None
    dropout: Dropout = Dropout()
    pages: Pages = Pages()
    trainer: dict[str, Any] = {}
    deepspeed: Place | None = None
    processes: int = Field(1, ge=1)


class Queries(Strict):
    """Text queries in pre-training (SuPreME); see `ecg_r1.model.queries`.

    encoder: "letters", or the folder of a sentence encoder. hold_out: statements that training never asks for, to
    judge zero-shot classification by.
    """

    encoder: Place = "letters"
    hold_out: list[str] = []


class PretrainRecipe(_Run):
    """The towers alone, before any text: diagnosis and measurements from pooled features.

    queries: instead, the ECG tower alone answers whether each statement is true, asked for by its words.
    """

    stage: Literal["pretrain"]
    queries: Queries | None = None

    @model_validator(mode="after")
    def _sees_each_tower_alone(self) -> PretrainRecipe:
        if self.dropout.ecg or self.dropout.page or self.dropout.nothing or self.dropout.interleave:
            raise ValueError("the towers are trained apart, so `dropout` can only hide `leads`")
        return self


class Align(Strict):
    """The auxiliary loss of `ecg_r1.train.prefix_alignment` (BP-GPT): its weight and temperature."""

    weight: float = Field(1.0, gt=0, le=1e3)
    temperature: float = Field(0.1, gt=0, le=100)


class HeldOut(Strict):
    """Answers to examples of `corpus.evaluate` amid the training, apart from any reward.

    every: steps from one evaluation to the next; the first comes before any step, the last after all of them.
    examples: how many, the same each time, drawn with the run's seed. metric: a name of compare.json, by which the best
    checkpoint is kept. patience: evaluations without a better one after which the run stops; unless given, it does not.
    max_tokens: longest answer; unless given, the trainer's `max_completion_length`, or half as much again as the
    longest target.
    """

    every: int = Field(ge=1)
    examples: int = Field(64, ge=1)
    metric: str = "supported"
    patience: int | None = Field(None, ge=1)
    max_tokens: int | None = Field(None, ge=1)


class _Answering(_Run):
    """A run whose model answers questions."""

    held_out: HeldOut | None = None

    @model_validator(mode="after")
    def _names_what_is_held_out(self) -> _Answering:
        if self.held_out is not None and self.corpus.evaluate is None:
            raise ValueError("held_out needs `corpus.evaluate`, the split whose examples are answered")
        return self


class SFTRecipe(_Answering):
    """Supervised fine-tuning on the responses of the corpus.

    align: beside it, the ECG's tokens are drawn towards the embedded response.
    """

    stage: Literal["sft"]
    align: Align | None = None


class DynamicSampling(Strict):
    """Groups whose completions all have the same rewards are replaced; see `ecg_r1.train.dynamic_sampling`.

    budget: groups that may be generated for each that an update has.
    """

    budget: float = Field(3.0, gt=1, le=100)


class Curriculum(Strict):
    """Examples that are passed half of the time are asked most; see `ecg_r1.train.prompt_pool`.

    passed: the total reward from which a completion passes. least: the chance that an example which always or never
    passed is asked when it is its turn; another takes its place otherwise.
    """

    passed: float = Field(allow_inf_nan=False)
    least: float = Field(0.1, gt=0, le=1)


class Rehearsal(Strict):
    """A supervised loss beside GRPO's. of: the whole report of a prompt, or its answer, which holds the diagnoses."""

    weight: float = Field(gt=0)
    of: Literal["report", "answer"] = "report"


class GRPORecipe(_Answering):
    """GRPO: rollouts, rewards, policy updates.

    credit: a name of `ecg_r1.train.advantages.ADVANTAGES`; it is checked there. shared_prefix: the policy reads a
    prompt once for its G completions, packed without padding, with the same result; see `ecg_r1.train.shared_prefix`.
    tokens_per_pass: so many packed tokens, and no more, are in a forward and backward pass; a micro-batch of more takes
    several, with the same loss. dynamic_sampling, curriculum: which examples are asked in the place of those that TRL's
    order names; none unless given. rehearsal: a supervised loss on the reports of the prompts, which is added to
    GRPO's; none unless given.
    """

    stage: Literal["grpo"]
    shared_prefix: bool = False
    tokens_per_pass: int | None = Field(None, ge=1)
    rewards: list[Reward] = Field(min_length=1)
    reward_workers: RewardWorkers = RewardWorkers()
    credit: str = "sequence"
    rollout: Rollout = Rollout()
    dynamic_sampling: DynamicSampling | None = None
    curriculum: Curriculum | None = None
    rehearsal: Rehearsal | None = None

    @model_validator(mode="after")
    def _chooses_with_the_weights_of_now(self) -> GRPORecipe:
        if self.rollout.staleness and (self.dynamic_sampling or self.curriculum):
            raise ValueError(
                "`dynamic_sampling` and `curriculum` choose examples by what the weights of now answer: not with "
                "`rollout.staleness`"
            )
        return self


class Decoding(Strict):
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


Style = Literal["deepseek", "ecg-r1", "free"]


class EvaluateRecipe(Strict):
    """Models compared on the same examples.

    models: earlier first: each pair is compared as later minus earlier. One is a run's folder, a checkpoint's, a file
    of answers, or an endpoint: its keys (see `Endpoint`), a YAML file of them, or its URL. corpus: the split; if left
    out, the one that the runs' recipes name as `corpus.evaluate`. seeds: `compare.json` of the same comparison trained
    from other seeds, or their folders. mirage: examples that are asked again without the signal, without the page,
    without both, and with another's page; 0: none. grid: what else these examples are asked with: fewer `leads` (6, 3,
    2, 1), `pages` as they are in the wild, each of the `artefacts` by itself. style: the form that answers were asked
    to have, as for the reward `format`. max_cut: share of the answers that may be cut off at `decoding.max_tokens`, as
    they are where a model does not end them; with more, the comparison is refused. out: folder of `compare.json` and
    `report.html`. resamples: of the bootstrap. seed: of the bootstrap, of sampling, and of what the report shows.
    """

    stage: Literal["evaluate"]
    models: list[Compared] = Field(min_length=1)
    corpus: Place | None = None
    decoding: Decoding = Decoding()
    seeds: list[Place] = []
    mirage: int = Field(100, ge=0)
    grid: list[Literal["leads", "pages", "artefacts"]] = []
    style: Style = "deepseek"
    max_cut: float = Field(0.01, ge=0, le=1)
    out: Place = "runs"
    resamples: int = Field(2000, ge=1)
    seed: Seed = 0

    @model_validator(mode="after")
    def _asks_something(self) -> EvaluateRecipe:
        if self.grid and not self.mirage:
            raise ValueError("`grid` asks the examples of `mirage`, which is 0")
        return self


class Hearts(Strict):
    """The hearts of a probe: so many of the simulator's, or the records of a folder.

    dataset, folds, limit, unit_mv: as of `Source`; `limit` records are drawn with the seed.
    """

    simulate: int | None = Field(None, gt=0)
    records: Place | None = None
    dataset: Place | None = None
    folds: list[int] | None = None
    limit: int | None = Field(None, gt=0)
    unit_mv: float | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _a_source(self) -> Hearts:
        Source.model_validate(self.model_dump(exclude_none=True))
        return self


class ProbeRecipe(Strict):
    """One heart with one thing moved: does the text follow? See `ecg_r1.evaluation.probe`.

    models, decoding, style, max_cut, resamples, seed: as of `EvaluateRecipe`; the seed is that of the hearts too.
    hearts: whose ECGs are moved. moves: what of them; all that these hearts allow, unless given. question: what the
    models are asked; the shipped wording unless given. page_size: pixels. out: folder of `probe.json`, `probe.html` and
    the records.
    """

    stage: Literal["probe"]
    models: list[Compared] = Field(min_length=1)
    hearts: Hearts = Hearts(simulate=20)
    moves: list[str] | None = Field(None, min_length=1)
    question: Wording | None = None
    page_size: int = Field(112, ge=32, le=1024)
    decoding: Decoding = Decoding()
    style: Style = "deepseek"
    max_cut: float = Field(0.01, ge=0, le=1)
    out: Place = "runs/probe"
    resamples: int = Field(2000, ge=1)
    seed: Seed = 0


RunRecipe = PretrainRecipe | SFTRecipe | GRPORecipe
Recipe = CorpusRecipe | PretrainRecipe | SFTRecipe | GRPORecipe | EvaluateRecipe | ProbeRecipe
STAGES: dict[str, type[BaseModel]] = {
    "corpus": CorpusRecipe, "pretrain": PretrainRecipe, "sft": SFTRecipe, "grpo": GRPORecipe,
    "evaluate": EvaluateRecipe, "probe": ProbeRecipe,
}  # fmt: skip
