"""Have the kernel end a child when its parent dies, however that ended (PR_SET_PDEATHSIG, Linux)."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


def dies_with(parent: int, signal_number: int) -> Callable[[], None] | None:
    """What the child of `parent` has to call first: then it gets `signal_number` when `parent` dies, or more
    exactly the thread of it that made the child. None where there is no such thing.

    Made before the fork: what is returned is safe between fork and exec.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def arrange() -> None:
        prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
        if os.getppid() != parent:  # it died before the kernel knew
            os._exit(1)

    return arrange
