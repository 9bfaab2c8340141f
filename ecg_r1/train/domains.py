"""How far an advantage of a question is scaled down, by its domain and its cluster within that (DRPO of QoQ-Med)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ecg_r1.ecg.vocabulary import vocabulary
from ecg_r1.scoring.contract import Case
from ecg_r1.scoring.labels import truth_of

MOST_CLUSTERS = 10
ELBOW = 0.1  # the next cluster lowers the spread by less than this share of what the last one did


def domain_of(case: Case) -> str:
    """The domain of a case: PTB-XL's superclasses of its labels, "rhythm" where they have none."""
    found = (vocabulary().find(name) for name in truth_of(case).given)
    return "+".join(sorted({s.superclass for s in found if s and s.superclass})) or "rhythm"


def scales(rewards: np.ndarray, domains: Sequence[str]) -> np.ndarray:
    """T_d √N_c μ_c of each question, by which DRPO (arXiv 2506.00711) divides its advantages.

    The questions of a domain are clustered by their rewards. N_c is the size of a question's cluster and μ_c the mean
    of its rewards; T_d = √N_d μ_d, N_d the questions of the domain, and μ_d the mean of all μ_c weighted by 1 / N_c.

    Args:
        rewards: (Q, G), those of a question in ascending order: which completion had which is chance.
        domains: of the Q questions.

    Returns:
        (Q,); infinite where μ_c or μ_d is not above 0: such a question teaches nothing.
    """
    found = np.full(len(rewards), np.inf)
    for domain in dict.fromkeys(domains):
        rows = np.flatnonzero([name == domain for name in domains])
        clusters = _cluster(rewards[rows])
        names, sizes = np.unique(clusters, return_counts=True)
        means = np.array([rewards[rows][clusters == name].mean() for name in names])
        mean = np.average(means, weights=1 / sizes)
        for name, size, own in zip(names, sizes, means, strict=True):
            if own > 0 and mean > 0:
                found[rows[clusters == name]] = np.sqrt(len(rows)) * mean * np.sqrt(size) * own
    return found


def _cluster(rows: np.ndarray) -> np.ndarray:
    """The cluster of each row, by k-means; as many as the elbow of the spread says."""
    from sklearn.cluster import KMeans  # takes a second to import

    most = min(MOST_CLUSTERS, len(np.unique(rows, axis=0)))
    fits = [KMeans(k, n_init=1, random_state=0).fit(rows) for k in range(1, most + 1)]
    drops = -np.diff([fit.inertia_ for fit in fits])
    bent = (i + 1 for i in range(1, len(drops)) if drops[i] < ELBOW * drops[i - 1])
    return fits[next(bent, most) - 1].labels_
