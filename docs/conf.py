"""The documentation site: `make docs` builds the Markdown files of the project and the reference of its Python API.

The source folder is the project's root, so that a link between two files is the same on the site and in the repository.
"""

import re
from pathlib import Path
from typing import Any

project = "ecg_r1"
author = "the ecg_r1 contributors"
root_doc = "README"
PAGES = {
    "Use": [
        "docs/demo",
        "docs/results",
        "docs/evaluation",
        "docs/howto",
        "docs/corpora",
        "docs/scale",
        "docs/formats",
        "docs/algorithms",
        "docs/papers",
        "docs/rollouts",
        "docs/credit",
        "docs/rewards",
        "docs/serving",
        "docs/gem",
    ],
    "Understand": ["docs/security", "docs/footguns", "docs/repeatability", "docs/disclaimers", "ARCHITECTURE"],
    "Reference": ["docs/api"],
    "Project": ["CONTRIBUTING", "CHANGELOG", "LOG"],
}
include_patterns = ["README.md", *(f"{page}.*" for pages in PAGES.values() for page in pages)]

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode", "sphinx_copybutton"]
myst_enable_extensions = ["html_image"]
myst_heading_anchors = 3  # as on GitHub: "## On real records" is #on-real-records

default_role = "code"  # docstrings write `name`, as Markdown does
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_use_ivar = True  # attributes as a list, not each with a heading
autodoc_default_options = {"members": True}
add_module_names = False
python_maximum_signature_line_length = 88

highlight_language = "text"  # of blocks that name no language

html_theme = "furo"
html_title = "ecg_r1"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False


def add_contents(app: Any, docname: str, source: list[str]) -> None:
    """Append the table of contents to the first page: GitHub would show its directives as text."""
    if docname == root_doc:
        for caption, pages in PAGES.items():
            source[0] += "\n".join(["\n```{toctree}", ":hidden:", f":caption: {caption}", "", *pages, "```\n"])


def add_index(app: Any, error: Exception | None) -> None:
    """The address of the folder leads to the first page."""
    if error is None:
        page = f'<!doctype html><meta http-equiv="refresh" content="0; url={root_doc}.html">\n'
        Path(app.outdir, "index.html").write_text(page, encoding="utf-8")


def escape_docstring(app: Any, kind: str, name: str, subject: Any, options: Any, lines: list[str]) -> None:
    """Our docstrings are plain text with `code`: a star or a bar outside of it is itself, and no markup."""
    if kind in ("property", "attribute", "data"):
        lines.insert(0, "")  # napoleon takes the first line of these for "type: description"
    lines[:] = [re.sub(r"(`[^`]*`)|([*|])", lambda m: m[1] or f"\\{m[2]}", line) for line in lines]


def setup(app: Any) -> None:
    """Sphinx calls this before it reads the pages."""
    app.connect("source-read", add_contents)
    app.connect("autodoc-process-docstring", escape_docstring, priority=100)  # before napoleon makes markup of it
    app.connect("build-finished", add_index)
