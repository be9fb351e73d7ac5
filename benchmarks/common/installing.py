"""Installing peers into a folder of their own, each pinned, once: afterwards nothing is downloaded."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

_INSTALL_SECONDS = 600


def python_environment(venv: Path, wanted: Path) -> Path:
    """A virtual environment with the pinned packages of the requirements file `wanted`; its interpreter.
    Raises CalledProcessError and TimeoutExpired, like all of these."""
    python = venv / "bin" / "python"
    if _is_due(venv, [wanted]):
        shutil.rmtree(venv, ignore_errors=True)
        _run([sys.executable, "-m", "venv", str(venv)], venv.parent)
        _run([str(python), "-m", "pip", "install", "--quiet", "--no-deps", "-r", str(wanted)], venv.parent)
        _note_done(venv, [wanted])
    return python


def node_app(home: Path, sources: Path) -> Path | None:
    """The `app.mjs` of `sources` beside the packages of its lock file; None without node."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        return None
    pinned = [sources / "package.json", sources / "package-lock.json"]
    home.mkdir(exist_ok=True)
    if _is_due(home, pinned):
        for file in pinned:
            shutil.copy(file, home)
        _run(["npm", "ci", "--no-audit", "--no-fund", "--silent"], home)
        _note_done(home, pinned)
    shutil.copy(sources / "app.mjs", home)
    return home / "app.mjs"


def compiled(home: Path, source: Path) -> Path | None:
    """The program of one C file; None without a C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    home.mkdir(exist_ok=True)
    binary = home / source.stem
    if _is_due(home, [source]):
        _run([compiler, "-O2", "-Wall", "-Wextra", "-pthread", "-o", str(binary), str(source)], home)
        _note_done(home, [source])
    return binary


def _run(command: Sequence[str], folder: Path) -> None:
    sys.stderr.write(f"installing: {Path(command[0]).name} {' '.join(command[1:4])} …\n")
    subprocess.run(command, cwd=folder, timeout=_INSTALL_SECONDS, check=True, stdout=sys.stderr)  # noqa: S603


def _is_due(home: Path, pinned: Iterable[Path]) -> bool:
    stamp = home / ".installed"
    return not stamp.exists() or stamp.read_text() != _digest(pinned)


def _note_done(home: Path, pinned: Iterable[Path]) -> None:
    (home / ".installed").write_text(_digest(pinned))


def _digest(files: Iterable[Path]) -> str:
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()
