#!/usr/bin/env python3
"""Turantalim Upload Server: `python run.py` serves; `python run.py --help` tells the rest."""

import sys

from server.commands import main

if __name__ == "__main__":
    sys.exit(main())
