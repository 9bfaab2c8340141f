"""Held-out answers amid a training: the metrics of a comparison, and signs that a reward is being played."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ecg_r1.corpus.store import RecordStore
from ecg_r1.ecg.quantities import QUANTITIES, Quantity
from ecg_r1.evaluation.bootstrap import Tally, cluster_codes, draw
from ecg_r1.evaluation.metrics import Judged, judge, tallies
from ecg_r1.evaluation.report.wording import ERRORS, HEADLINE, PER_QUANTITY
from ecg_r1.runs.held_out import Measured
from ecg_r1.runs.predictions import Prediction

RESAMPLES = 200  # for standard errors
REPEATED, CUT = 0.5, 0.1  # shares of the answers that are a sign
CONSTANT, FEWEST = 0.5, 10  # share of the values of a quantity that are one and the same; of so many values at least


class HeldOutMetrics:
    """Measures held-out answers as a comparison does."""

    higher_is_better: Mapping[str, bool] = {
        shown.key: shown.higher_is_better
        for shown in (*HEADLINE, *PER_QUANTITY, *ERRORS)
        if shown.higher_is_better is not None
    }

    def __call__(self, answers: Sequence[Prediction], store: RecordStore) -> Measured:
        """Measure answers, with standard errors by resampling patients."""
        judged = judge(answers, store)
        codes = cluster_codes([store.cluster(answer.example_id) for answer in judged])
        table = {name: tally.per_cluster(codes) for name, tally in tallies(judged).items()}
        draws = draw(int(codes.max()) + 1, RESAMPLES, 0)
        values = {name: tally.value() for name, tally in table.items() if name in self.higher_is_better}
        values = {name: value for name, value in values.items() if not math.isnan(value)}
        return Measured(values, {name: _error(table[name], draws) for name in values}, tuple(signs(judged)))


def _error(tally: Tally, draws: np.ndarray) -> float:
    resampled = tally.resampled(draws)
    known = resampled[np.isfinite(resampled)]  # a draw may hold no answer that the metric counts
    return float(known.std()) if len(known) else 0.0


def signs(judged: Sequence[Judged]) -> Iterator[str]:
    """In words: texts that several records get word for word, constant values, and answers that were cut off."""
    texts = Counter(answer.completion.text for answer in judged)
    repeated = sum(count for count in texts.values() if count > 1) / len(judged)
    if repeated > REPEATED and len(judged) >= FEWEST:
        yield f"{repeated:.0%} of the answers are word for word another record's"
    for quantity, value, share in constants(judged):
        yield f"{quantity.title} is {quantity.written(value)} in {share:.0%} of the answers that give it"
    cut = sum(answer.cut for answer in judged) / len(judged)
    if cut > CUT:
        yield f"{cut:.0%} of the answers are cut off at the limit of tokens"


def constants(judged: Sequence[Judged]) -> Iterator[tuple[Quantity, float, float]]:
    """Each quantity of which most answers give one and the same value: that value, and the share of the answers."""
    for name, quantity in QUANTITIES.items():
        said = [
            row.quoted
            for answer in judged
            for row in answer.evidence
            if row.quantity == name and row.quoted is not None
        ]
        if len(said) >= FEWEST:
            value, count = Counter(said).most_common(1)[0]
            if count > CONSTANT * len(said):
                yield quantity, value, count / len(said)
