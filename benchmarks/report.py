"""Opens a comparison's page in headless Chromium: how long it takes, and what a reader would stumble over.

    python benchmarks/report.py [REPORT.html] [--cases 500] [--chromium chromium]          a minute on 2 cores

Without a page, one is made: `--cases` simulated records and two models, one that answers with each record's own report
and one with another record's. It is opened three times in light and three times in dark mode. Printed are the time from
the start of the navigation to the load event, messages in the console, text with less contrast than WCAG 2.2 asks (4.5,
or 3 where it is large; drawings left out), controls without a name, and controls that leave the page's tab order. Exit
status 1 where there is one of these, or where the median time is over 2 seconds.
"""

from __future__ import annotations

import argparse
import html
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

LIMIT, TIMES = 2.0, 3
MODES = {"light": (), "dark": ("--force-dark-mode",)}
CHECK = """
addEventListener("load", () => {
  const found = {seconds: performance.now() / 1000, dark: matchMedia("(prefers-color-scheme: dark)").matches};
  const colour = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const linear = v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
  const behind = node => {
    for (; node; node = node.parentElement) {
      const back = colour(getComputedStyle(node).backgroundColor);
      if (back.length == 3 || back[3] == 1) return back;
    }
    return [255, 255, 255];
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), faint = new Set();
  while (texts.nextNode()) {
    const said = texts.currentNode.data.trim(), node = texts.currentNode.parentElement;
    if (!said || !node.getClientRects().length || node.closest("script, style, option, svg")) continue;
    const style = getComputedStyle(node), size = parseFloat(style.fontSize);
    if (style.visibility == "hidden") continue;
    const [a, b] = [light(colour(style.color)), light(behind(node))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05), large = size >= 24 || size >= 18.66 && style.fontWeight >= 700;
    if (ratio >= (large ? 3 : 4.5)) continue;
    faint.add(`${ratio.toFixed(2)} ${node.tagName}.${node.className}: ${said.slice(0, 40)}`);
  }
  const controls = [...document.querySelectorAll("a[href], button, input, select, summary, [tabindex]")];
  const named = node => node.textContent.trim() || node.ariaLabel || node.title || node.labels?.length
    || node.getAttribute("aria-labelledby");
  const shown = nodes => nodes.map(node => node.outerHTML.slice(0, 80));
  found.faint = [...faint];
  found.unnamed = shown(controls.filter(node => !named(node)));
  found.reordered = shown(controls.filter(node => node.tabIndex > 0));
  document.documentElement.dataset.checked = JSON.stringify(found);
});
"""


def made(folder: Path, cases: int) -> Path:
    """The page of a comparison of two models on `cases` simulated records."""
    recipe = folder / "corpus.yaml"
    recipe.write_text(
        json.dumps({
            "stage": "corpus", "out": str(folder / "corpus"), "pages": "drawn",
            "splits": {"held-out": [{"simulate": cases}]},
        }),
        encoding="utf-8",
    )  # fmt: skip
    ecg_r1("corpus", recipe)
    from ecg_r1.corpus.store import RecordStore

    split = folder / "corpus" / "held-out"
    examples = list(RecordStore(split).examples)
    for name, shift in (("shifted", 1), ("right", 0)):
        rows = [
            {"id": example.id, "response": examples[(i + shift) % cases].response} for i, example in enumerate(examples)
        ]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    evaluate = folder / "evaluate.yaml"
    models = [str(folder / "shifted.jsonl"), str(folder / "right.jsonl")]
    evaluate.write_text(
        json.dumps({
            "stage": "evaluate", "models": models, "corpus": str(split), "out": str(folder / "out"), "resamples": 200,
        }),
        encoding="utf-8",
    )  # fmt: skip
    ecg_r1("evaluate", evaluate)
    return folder / "out" / "report.html"


def ecg_r1(*words: object) -> None:
    """A command of the package, which says itself what is wrong."""
    subprocess.run([sys.executable, "-m", "ecg_r1", *map(str, words)], check=True, stdout=subprocess.DEVNULL)


def opened(page: Path, chromium: str, flags: tuple[str, ...]) -> dict[str, Any]:
    """What the check finds in a page, and the messages in the console."""
    command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom", *flags]
    done = subprocess.run([*command, page.as_uri()], capture_output=True, text=True, check=True, timeout=120)
    checked = re.search(r'data-checked="([^"]*)"', done.stdout[:200_000])
    if checked is None:
        raise SystemExit(f"{page}: the page was not loaded: {done.stderr[-300:]}")
    return json.loads(html.unescape(checked[1])) | {"console": re.findall(r"CONSOLE.*", done.stderr)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", nargs="?", type=Path, help="report.html of a comparison")
    parser.add_argument("--cases", type=int, default=500, help="of a page that is made")
    parser.add_argument("--chromium", default="chromium", help="the program")
    args = parser.parse_args()
    if shutil.which(args.chromium) is None:
        raise SystemExit(f"{args.chromium} is not on the PATH; install Chromium, or name it with --chromium")
    table = Table("mode", "seconds", "MB", "console", "faint", "unnamed", "reordered")
    with tempfile.TemporaryDirectory() as temporary:
        page = args.page or made(Path(temporary), args.cases)
        probed = Path(temporary) / "probed.html"
        probed.write_text(
            page.read_text(encoding="utf-8").replace("</head>", f"<script>{CHECK}</script></head>", 1), encoding="utf-8"
        )
        wrong = []
        for mode, flags in MODES.items():
            runs = [opened(probed, args.chromium, flags) for _ in range(TIMES)]
            seconds, last = statistics.median(run["seconds"] for run in runs), runs[-1]
            if last["dark"] != (mode == "dark"):
                raise SystemExit(f"{args.chromium} shows no {mode} mode")
            faults = [
                f"{mode}: {kind}: {one}" for kind in ("console", "faint", "unnamed", "reordered") for one in last[kind]
            ]
            wrong += faults + ([f"{mode}: {seconds:.2f} s"] if seconds > LIMIT else [])
            counts = [str(len(last[kind])) for kind in ("console", "faint", "unnamed", "reordered")]
            table.add_row(mode, f"{seconds:.2f}", f"{page.stat().st_size / 1e6:.1f}", *counts)
    Console().print(table, *wrong[:40], sep="\n", markup=False, soft_wrap=True)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
