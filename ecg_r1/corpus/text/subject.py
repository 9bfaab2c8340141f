"""What a text is written about: one record's measurements and label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from ecg_r1.corpus.text.knowledge import known
from ecg_r1.corpus.text.label import Stated, excluding, stated
from ecg_r1.corpus.text.seen import Seen, look, must_be_absent
from ecg_r1.ecg.findings import State
from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.measurements import Measurements
from ecg_r1.ecg.record import SAMPLES, SAMPLING_RATE


@dataclass(frozen=True)
class Subject:
    """One record as a text knows it. It is judged once, however many sections, texts and questions ask.

    Attributes:
        measurements: as rewards hold a text against them.
        diagnoses: the label, in the vocabulary's names.
        likelihoods: of these names, in percent; 0 where none is given.
        quality: `ECGRecord.quality`. leads: those that were recorded. seconds: for how long.
    """

    measurements: Measurements
    diagnoses: tuple[str, ...]
    likelihoods: Mapping[str, float] = field(default_factory=dict)
    quality: tuple[str, ...] = ()
    leads: tuple[str, ...] = LEADS
    seconds: float = SAMPLES / SAMPLING_RATE

    @cached_property
    def stated(self) -> tuple[Stated, ...]:
        """The label in clinical order; see `label.stated`."""
        return stated(self.diagnoses, self.likelihoods)

    @cached_property
    def names(self) -> frozenset[str]:
        """The diagnoses of the label."""
        return frozenset(one.name for one in self.stated)

    @cached_property
    def excluding(self) -> tuple[tuple[str, str], ...]:
        """The pairs of the label of which no ECG has both; see `label.excluding`."""
        return excluding(self.stated)

    def looked_at(self, diagnosis: str) -> tuple[Seen, ...]:
        """Every sign of a diagnosis as it was measured, in the order of the table."""
        found = self._looked_at.get(diagnosis)
        if found is None:
            signs = known(diagnosis).signs
            found = self._looked_at[diagnosis] = tuple([look(sign, self.measurements) for sign in signs])
        return found

    @cached_property
    def _looked_at(self) -> dict[str, tuple[Seen, ...]]:
        return {}

    def must_be_absent(self, diagnosis: str) -> tuple[Seen, ...]:
        """What is there and should not be, beside a diagnosis; see `seen.must_be_absent`."""
        found = self._must_be_absent.get(diagnosis)
        if found is None:
            found = self._must_be_absent[diagnosis] = must_be_absent(known(diagnosis), self.measurements)
        return found

    @cached_property
    def _must_be_absent(self) -> dict[str, tuple[Seen, ...]]:
        return {}

    def contradicts(self, diagnosis: str) -> bool:
        """Whether the signal shows no sign of a diagnosis, not even a borderline one, though some could be measured."""
        states = {one.state for one in self.looked_at(diagnosis)}
        return State.ABSENT in states and not states & {State.PRESENT, State.BORDERLINE}
