"""What a reward is, apart from which rewards there are. No torch here: any RL framework can use the rewards alone."""

from ecg_r1.scoring.completion import Completion
from ecg_r1.scoring.contract import Case, RewardError, Score, reward
from ecg_r1.scoring.judgement import Judgement
from ecg_r1.scoring.pool import RewardFailure, RewardPool
from ecg_r1.scoring.registry import Reward, load_reward

__all__ = [
    "Case",
    "Completion",
    "Judgement",
    "Reward",
    "RewardError",
    "RewardFailure",
    "RewardPool",
    "Score",
    "load_reward",
    "reward",
]
