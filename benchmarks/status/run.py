#!/usr/bin/env python3
"""Our sockets against other servers', in one run: `python benchmarks/status/run.py`; see benchmarks/README.md."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    from benchmarks.common.interpreter import become_ours

    become_ours()
    from benchmarks.status.comparison import main

    sys.exit(main())
