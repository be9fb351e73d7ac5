"""Install the peers into .peers/, each pinned, once: afterwards nothing is downloaded."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PEERS = HERE / ".peers"
_SOURCES = HERE / "peers"
_INSTALL_SECONDS = 600


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
    return Installed(_python(), _express(), _nginx(), _recv_write())


def _python() -> Path:
    """A virtual environment with FastAPI, Django and aiohttp."""
    venv, wanted = PEERS / "venv", HERE / "requirements-peers.txt"
    python = venv / "bin" / "python"
    if _is_due(venv, [wanted]):
        shutil.rmtree(venv, ignore_errors=True)
        _run([sys.executable, "-m", "venv", str(venv)])
        _run([str(python), "-m", "pip", "install", "--quiet", "--no-deps", "-r", str(wanted)])
        _note_done(venv, [wanted])
    return python


def _express() -> Path | None:
    """A folder with Express and its app, which node runs from beside its packages."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        return None
    home, sources = PEERS / "express", _SOURCES / "express"
    pinned = [sources / "package.json", sources / "package-lock.json"]
    home.mkdir(exist_ok=True)
    if _is_due(home, pinned):
        for file in pinned:
            shutil.copy(file, home)
        _run(["npm", "ci", "--no-audit", "--no-fund", "--silent"], home)
        _note_done(home, pinned)
    shutil.copy(sources / "app.mjs", home)
    return home / "app.mjs"


def _nginx() -> Path | None:
    """The system's nginx, if it can PUT (Debian's nginx-light can)."""
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if found is None:
        return None
    said = subprocess.run([found, "-V"], capture_output=True, text=True, timeout=10, check=True)  # noqa: S603
    return Path(found) if "http_dav_module" in said.stderr else None


def _recv_write() -> tuple[str, ...]:
    """The command of the recv→write loop: compiled, or in Python where there is no C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return (sys.executable, str(_SOURCES / "recv_write.py"))
    home, source = PEERS / "recv_write", _SOURCES / "recv_write.c"
    home.mkdir(exist_ok=True)
    binary = home / "recv_write"
    if _is_due(home, [source]):
        _run([compiler, "-O2", "-Wall", "-Wextra", "-pthread", "-o", str(binary), str(source)])
        _note_done(home, [source])
    return (str(binary),)


def _run(command: Sequence[str], folder: Path = HERE) -> None:
    sys.stderr.write(f"installing: {Path(command[0]).name} {' '.join(command[1:4])} …\n")
    subprocess.run(command, cwd=folder, timeout=_INSTALL_SECONDS, check=True, stdout=sys.stderr)  # noqa: S603


def _is_due(home: Path, pinned: Iterable[Path]) -> bool:
    stamp = home / ".installed"
    return not stamp.exists() or stamp.read_text() != _digest(pinned)


def _note_done(home: Path, pinned: Iterable[Path]) -> None:
    (home / ".installed").write_text(_digest(pinned))


def _digest(files: Iterable[Path]) -> str:
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()
