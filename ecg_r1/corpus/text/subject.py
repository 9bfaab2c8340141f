"""What a text is written about: one record's measurements and label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from ecg_r1.corpus.text.label import Stated, stated
from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.measurements import Measurements


@dataclass(frozen=True)
class Subject:
    """One record as a text knows it.

    Attributes:
        measurements: as rewards hold a text against them.
        diagnoses: the label, in the vocabulary's names.
        likelihoods: of these names, in percent; 0 where none is given.
        quality: `ECGRecord.quality`. leads: those that were recorded.
    """

    measurements: Measurements
    diagnoses: tuple[str, ...]
    likelihoods: Mapping[str, float] = field(default_factory=dict)
    quality: tuple[str, ...] = ()
    leads: tuple[str, ...] = LEADS

    @cached_property
    def stated(self) -> tuple[Stated, ...]:
        """The label in clinical order; see `label.stated`."""
        return stated(self.diagnoses, self.likelihoods)

    @cached_property
    def names(self) -> frozenset[str]:
        """The diagnoses of the label."""
        return frozenset(one.name for one in self.stated)
