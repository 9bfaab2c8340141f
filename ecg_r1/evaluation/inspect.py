"""Completions as they were in training, with each reward's score and what was verified in them, in the terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

STYLES = {"supported": "black on green", "contradicted": "white on red", "unverifiable": "black on bright_black"}
NOT_REWARDS = {"step", "prompt", "completion", "evidence", "advantage", "record"}
