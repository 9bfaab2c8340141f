"""Whether a corpus has what its rewards need; one that applies to none of its cases would teach nothing, in silence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ecg_r1.scoring.contract import Case, RewardError
from ecg_r1.scoring.registry import Reward


def unfed(rewards: Sequence[Reward], cases: Iterable[Case]) -> list[Reward]:
    """Find the rewards that can score none of the cases.

    Args:
        rewards: of those that declare no `applies`, nothing is claimed.
        cases: of a corpus; no more are looked at than are needed.

    Returns:
        The rewards that apply to no case, in their order.

    Raises:
        RewardError: `applies` of a reward fails.
    """
    waiting = [reward for reward in rewards if reward.applies is not None]
    for case in cases:
        if not waiting:
            break
        waiting = [reward for reward in waiting if not _applies(reward, case)]
    return waiting


def _applies(reward: Reward, case: Case) -> bool:
    try:
        return reward.applies is None or bool(reward.applies(case))
    except Exception as error:  # a user's own code: anything may go wrong in it
        raise RewardError(
            f'reward "{reward.spec}": its `applies` fails on example {case.example_id}: {type(error).__name__}: {error}'
        ) from error


def require_fed(rewards: Sequence[Reward], cases: Iterable[Case]) -> None:
    """Refuse rewards that can score none of the cases.

    Args:
        rewards: of a recipe, loaded.
        cases: of its corpus.

    Raises:
        RewardError: a reward applies to no case; the message says what a case must have.
    """
    for reward in unfed(rewards, cases):
        needed = f"; it needs {reward.needs}" if reward.needs else ""
        raise RewardError(f'reward "{reward.spec}" applies to no example of the corpus{needed}')
