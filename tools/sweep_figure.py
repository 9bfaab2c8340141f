"""The sweep over the reports' corruption as a table and a figure: python tools/sweep_figure.py RUNS docs/sweep.png"""

import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

COLOURS = {"sft": "#8a8f98", "sft-more": "#2f6fb0", "grpo": "#c4721a"}
NAMES = {"sft": "SFT", "sft-more": "SFT continued", "grpo": "GRPO"}


def main(runs: Path, picture: Path) -> None:
    """One run of tools/chain.sh for each folder of RUNS, named by its share of boilerplate or by its profile."""
    found = sorted(runs.glob("*/compare.json"))  # shares before names
    results = {_title(path.parent.name): json.loads(path.read_text(encoding="utf-8")) for path in found}
    print("| corruption | SFT | SFT continued | GRPO | GRPO - SFT continued (95 %) | diagnosis |")
    print("|---|---|---|---|---|---|")
    for title, result in results.items():
        models, pair = result["models"], result["paired"]["grpo - sft-more"]
        values = " | ".join(f"{100 * models[name]['supported']:.1f}" for name in NAMES)
        print(f"| {title} | {values} | {_interval(pair['supported'])} | {_interval(pair['diagnosis_accuracy'])} |")
    left, right = plt.subplots(1, 2, figsize=(9, 3.4), constrained_layout=True)[1]
    for name, label in NAMES.items():
        supported = [100 * result["models"][name]["supported"] for result in results.values()]
        left.plot(range(len(results)), supported, "o", color=COLOURS[name], label=label)
    left.set(ylabel="quoted values the signal supports, %")
    left.legend(frameon=False)
    for place, result in enumerate(results.values()):
        pair = result["paired"]["grpo - sft-more"]["supported"]
        right.plot([place] * 2, [100 * pair["low"], 100 * pair["high"]], color=COLOURS["grpo"])
        right.plot(place, 100 * pair["difference"], "o", color=COLOURS["grpo"])
    right.axhline(0, color="#555", linewidth=0.8)
    right.set(ylabel="GRPO minus SFT continued, points")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_xticks(range(len(results)), results, rotation=30, ha="right")
    plt.savefig(picture, dpi=150)


def _title(folder: str) -> str:
    """Of a share: "30% boilerplate"."""
    return f"{float(folder):.0%} boilerplate" if folder[0].isdigit() else folder


def _interval(pair: dict) -> str:
    return f"{100 * pair['difference']:+.1f} ({100 * pair['low']:+.1f}, {100 * pair['high']:+.1f})"


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
