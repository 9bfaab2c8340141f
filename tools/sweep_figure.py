"""The sweep over boilerplate as a table and a figure: python tools/sweep_figure.py RUNS docs/sweep.png"""

import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

COLOURS = {"sft": "#8a8f98", "sft-more": "#2f6fb0", "grpo": "#c4721a"}
NAMES = {"sft": "SFT", "sft-more": "SFT continued", "grpo": "GRPO"}


def main(runs: Path, picture: Path) -> None:
    levels = {}
    for path in sorted(runs.glob("*/compare.json")):
        result = json.loads(path.read_text(encoding="utf-8"))
        levels[result["reports"]["boilerplate"]] = result
    shares = sorted(levels)
    print("| boilerplate | SFT | SFT continued | GRPO | GRPO - SFT continued (95 %) | diagnosis |")
    print("|---|---|---|---|---|---|")
    for share in shares:
        models, pair = levels[share]["models"], levels[share]["paired"]["grpo - sft-more"]
        values = " | ".join(f"{100 * models[name]['supported']:.1f}" for name in NAMES)
        print(f"| {share:.0%} | {values} | {_interval(pair['supported'])} | {_interval(pair['diagnosis_accuracy'])} |")
    left, right = plt.subplots(1, 2, figsize=(9, 3.4), constrained_layout=True)[1]
    for name, label in NAMES.items():
        supported = [100 * levels[share]["models"][name]["supported"] for share in shares]
        left.plot([100 * share for share in shares], supported, "o-", color=COLOURS[name], label=label)
    left.set(xlabel="boilerplate values in the reports, %", ylabel="quoted values the signal supports, %")
    left.legend(frameon=False)
    for share in shares:
        pair = levels[share]["paired"]["grpo - sft-more"]["supported"]
        right.plot([100 * share] * 2, [100 * pair["low"], 100 * pair["high"]], color=COLOURS["grpo"])
        right.plot(100 * share, 100 * pair["difference"], "o", color=COLOURS["grpo"])
    right.axhline(0, color="#555", linewidth=0.8)
    right.set(xlabel="boilerplate values in the reports, %", ylabel="GRPO minus SFT continued, points")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_xticks([100 * share for share in shares])
    plt.savefig(picture, dpi=150)


def _interval(pair: dict) -> str:
    return f"{100 * pair['difference']:+.1f} ({100 * pair['low']:+.1f}, {100 * pair['high']:+.1f})"


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
