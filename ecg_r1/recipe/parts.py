"""Parts of a run's recipe: rewards, rollouts, what is shown of a record, adapters."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ecg_r1.recipe.fields import Place, Strict


class Reward(BaseModel):
    """A reward's name (registry, `path.py:function`, dotted path), its weight; every other key is an option of it."""

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)
    name: str
    weight: float = Field(1.0, ge=-1e6, le=1e6)

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


ServerURL = Annotated[str, Field(pattern=r"^https?://[^\s/@?#]+:\d{1,5}/?$")]


class Rollout(Strict):
    """Who generates. `options` are vLLM's engine arguments by their own names.

    mode: in the training process, or on servers that `ecg-r1 rollout-server` started with this recipe. servers: their
    addresses. key_file: holds the key that they ask for; the first server makes it where it is missing. wait: seconds
    without any server after which the run ends. staleness: while the policy makes an update, servers write completions
    for later ones, with weights that are so many updates old when they are learned from; 0: nothing is written ahead.
    transport: of weights to servers: over HTTP, or by broadcast through NCCL (GPUs) or gloo.
    """

    engine: Literal["vllm", "hf"] = "vllm"
    mode: Literal["colocate", "server"] = "colocate"
    dtype: str = "auto"
    options: dict[str, Any] = {}
    servers: list[ServerURL] = []
    key_file: Place | None = None
    wait: float = Field(600.0, gt=0)
    staleness: int = Field(0, ge=0, le=16)
    transport: Literal["http", "nccl", "gloo"] = "http"

    @model_validator(mode="after")
    def _has_servers(self) -> Rollout:
        if (self.mode == "server") != bool(self.servers):
            raise ValueError(
                "`mode: server` needs `servers:`, addresses such as http://127.0.0.1:8100, and the other way"
            )
        if self.mode == "server" and (self.engine != "vllm" or self.key_file is None):
            raise ValueError("`mode: server` needs `engine: vllm` and a `key_file:`")
        if self.transport != "http" and self.mode != "server":
            raise ValueError("`transport` needs `mode: server`: in one process no weights travel")
        if self.staleness and self.mode != "server":
            raise ValueError("`staleness` needs `mode: server`: in one process rollouts and update take turns")
        return self


class RewardWorkers(Strict):
    """Worker processes of the rewards (0: in process), seconds a batch may take, share of errors that ends the run, GiB
    that a process may allocate."""

    workers: int = Field(2, ge=0)
    timeout: float = Field(10.0, gt=0)
    max_error_share: float = Field(0.05, ge=0, le=1)
    memory: float = Field(4.0, ge=0.5, le=1024)


class Dropout(Strict):
    """Shares of examples of which a part is hidden in training: drawn anew in each epoch, or step of GRPO, where the
    G completions of a prompt see the same. See `ecg_r1.train.dropout`.

    leads: shown with a random subset of their leads. ecg: without the signal, as a page alone; page: without the
    page; nothing: without both, where the right response is to say so (the reward `abstain` pays for it, and SFT's
    target says it). interleave: with the page before the signal. (ECG-R1's own: ecg 0.25, page 0.25, interleave 0.1.)
    state_leads: a prompt says which leads are shown, where these are not all twelve; the trained model keeps to it.
    """

    leads: float = Field(0.0, ge=0, le=1)
    ecg: float = Field(0.0, ge=0, le=1)
    page: float = Field(0.0, ge=0, le=1)
    nothing: float = Field(0.0, ge=0, le=1)
    interleave: float = Field(0.0, ge=0, le=1)
    state_leads: bool = False

    @model_validator(mode="after")
    def _leaves_one(self) -> Dropout:
        if self.ecg + self.page + self.nothing > 1:
            raise ValueError("ecg + page + nothing is over 1")
        return self


class Pages(Strict):
    """Shares of examples whose page looks as pages do in the wild: drawn anew in each epoch, or step of GRPO, where the
    G completions of a prompt see the same. See `ecg_r1.ecg.wild`.

    paper: printed by any recorder: another layout, order of leads, paper speed, gain, grid or header. artefacts: as if
    scanned or photographed; needs the extra `pages`.
    """

    paper: float = Field(0.0, ge=0, le=1)
    artefacts: float = Field(0.0, ge=0, le=1)


class LoRA(BaseModel):
    """Adapters on the linear layers of the named parts; every other key is an option of PEFT's LoraConfig.

    bits: 4 holds these parts in 4 bits while they train (QLoRA); needs the extra `qlora`.
    """

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)
    parts: list[str] = Field(["language_model"], min_length=1)
    bits: Literal[4] | None = None

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})
