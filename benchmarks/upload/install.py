"""Install the peers into .peers/, each pinned, once: afterwards nothing is downloaded."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.common.installing import compiled, node_app, python_environment

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PEERS = HERE / ".peers"
_SOURCES = HERE / "peers"


@dataclass(frozen=True, slots=True)
class Installed:
    """Where the peers are; None for one that cannot be had on this machine."""

    python: Path
    express: Path | None
    nginx: Path | None
    recv_write: tuple[str, ...]


def install() -> Installed:
    """Install what is not there yet in the pinned version. Raises CalledProcessError and TimeoutExpired."""
    PEERS.mkdir(exist_ok=True)
    return Installed(
        python_environment(PEERS / "venv", HERE / "requirements-peers.txt"),
        node_app(PEERS / "express", _SOURCES / "express"),
        _nginx(),
        _recv_write(),
    )


def _nginx() -> Path | None:
    """The system's nginx, if it can PUT (Debian's nginx-light can)."""
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if found is None:
        return None
    said = subprocess.run([found, "-V"], capture_output=True, text=True, timeout=10, check=True)  # noqa: S603
    return Path(found) if "http_dav_module" in said.stderr else None


def _recv_write() -> tuple[str, ...]:
    """The command of the recv→write loop: compiled, or in Python where there is no C compiler."""
    binary = compiled(PEERS / "recv_write", _SOURCES / "recv_write.c")
    return (sys.executable, str(_SOURCES / "recv_write.py")) if binary is None else (str(binary),)
