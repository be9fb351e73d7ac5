"""Which Python runs a benchmark: our server's own. Standard library only, for it comes before everything else."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_OURS = ROOT / ".venv"


def become_ours() -> None:
    """Start the program again with the Python of our `.venv`, unless it is that one; ends it if there is none."""
    if Path(sys.prefix).resolve() == _OURS.resolve():
        return
    python = _OURS / "bin" / "python"
    if not python.exists():
        sys.exit("our server is not installed yet: `make .venv/.run` does it")
    os.execv(python, [str(python), *sys.argv])  # noqa: S606  # our own interpreter
