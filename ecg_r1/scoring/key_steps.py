"""The key steps of a written reasoning, for StepGRPO's rewards (R1-VL, arXiv 2503.12937), by rules."""

from __future__ import annotations

from ecg_r1.ecg.quantities import QUANTITIES
from ecg_r1.scoring.completion import Completion


def key_steps_of(response: str) -> list[str]:
    """What a reference reasoning concludes on its way: the values that it quotes and the diagnoses that it asserts.

    R1-VL asks GPT-4o for at most three words of each step, verbatim. Here a key step is worded once for all examples,
    as the reward `steps` reads it back from any wording: "PR interval 212 ms", "first-degree AV block". What is denied,
    doubted or a reference value is none, nor is a value of a single lead.

    Args:
        response: with its reasoning in a think block; without one, all before the conclusion is the reasoning.

    Returns:
        Each key step once, in the order in which the reasoning reaches them.
    """
    text, found = Completion.parse(response), list[tuple[int, str]]()
    for quote in text.quantities:
        quantity = QUANTITIES.get(quote.name)
        if quantity and quantity.key_step and quote.kind == "value" and quote.value is not None and quote.lead is None:
            found.append((quote.span[0], quantity.key_step.format(f"{quote.value:.0f}")))
    found += [(mention.span[0], mention.name) for mention in text.statements if mention.polarity == "asserted"]
    thought = sorted(step for step in found if text.place(step[0]) == "think")
    return list(dict.fromkeys(step for _, step in thought))
