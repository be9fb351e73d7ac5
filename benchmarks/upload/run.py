#!/usr/bin/env python3
"""Our uploads against other servers', in one run: `python benchmarks/upload/run.py`; see benchmarks/README.md."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OURS = ROOT / ".venv"

if __name__ == "__main__":
    if Path(sys.prefix).resolve() != OURS.resolve():  # any Python will do to start it
        python = OURS / "bin" / "python"
        if not python.exists():
            sys.exit("our server is not installed yet: `make .venv/.run` does it")
        os.execv(python, [str(python), *sys.argv])  # noqa: S606  # our own interpreter
    sys.path[0] = str(ROOT)
    from benchmarks.upload.comparison import main

    sys.exit(main())
