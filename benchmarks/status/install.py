"""Install the peers into .peers/, each pinned, once: afterwards nothing is downloaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.common.installing import compiled, node_app, python_environment

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PEERS = HERE / ".peers"
SOURCES = HERE / "peers"


@dataclass(frozen=True, slots=True)
class Installed:
    """Where the peers are; None for one that cannot be had on this machine."""

    python: Path
    ws: Path | None
    send_all: Path | None


def install() -> Installed:
    """Install what is not there yet in the pinned version. Raises CalledProcessError and TimeoutExpired."""
    PEERS.mkdir(exist_ok=True)
    return Installed(
        python_environment(PEERS / "venv", HERE / "requirements-peers.txt"),
        node_app(PEERS / "ws", SOURCES / "ws"),
        compiled(PEERS / "send_all", SOURCES / "send_all.c"),
    )
