"""EmbeddedMongod when it cannot start: it says why and what to do, and leaves no process behind."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from server import embedded_mongod
from server.embedded_mongod import EmbeddedMongod, MongodUnavailable
from tests.e2e.processes import is_running
from tests.server.mongod_process import kill_mongod, throw_away
from tests.storage.small_disk import mounted, read_only


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[EmbeddedMongod]:
    mongod = EmbeddedMongod(tmp_path / "state")
    yield mongod
    throw_away(mongod, tmp_path / "state")


@pytest.fixture
def only_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that is `mongod` for whoever looks on PATH; there is nothing there yet."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin")
    return folder / "mongod"


def write_program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_says_how_to_go_on_where_there_is_no_mongod(
    embedded: EmbeddedMongod, only_program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not only_program.exists()
    monkeypatch.setitem(sys.modules, "fiftyone", None)  # as if the wheel were not installed
    with pytest.raises(MongodUnavailable) as refused:
        embedded.start()
    assert "mongodb://" in str(refused.value)
    assert "TURANTALIM_MONGO__URI" in str(refused.value)


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("error while loading shared libraries: libcurl.so.4: cannot open", "apt install libcurl4"),
        ("error while loading shared libraries: libcrypto.so.3: cannot open", "OpenSSL 3"),
        ("listen(): Address already in use", "another program took the port"),
        ("write: No space left on device", "the disk is full"),
        ("open: Permission denied", "cannot write there"),
        ("something nobody foresaw", "mongod.log"),
    ],
)
def test_says_why_it_died_at_the_start(
    embedded: EmbeddedMongod, only_program: Path, said: str, hint: str
) -> None:
    write_program(only_program, f"echo '{said}' >&2; exit 127")
    with pytest.raises(MongodUnavailable) as refused:
        embedded.start()
    assert hint in str(refused.value)
    assert said in str(refused.value)
    assert "127" in str(refused.value)


def test_gives_up_on_one_that_never_answers_and_ends_it(
    embedded: EmbeddedMongod, only_program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_mongod, "_START_SECONDS", 0.5)
    write_program(only_program, f"echo $$ > {tmp_path}/pid; exec sleep 600")
    with pytest.raises(MongodUnavailable, match=r"primary.*mongod\.log"):
        embedded.start()
    assert not is_running(int((tmp_path / "pid").read_text()))


def test_says_that_its_files_are_damaged(embedded: EmbeddedMongod, tmp_path: Path) -> None:
    data = tmp_path / "state" / "mongo" / "data"
    data.mkdir(parents=True)
    for name in ("WiredTiger.turtle", "WiredTiger.wt", "WiredTiger"):
        (data / name).write_bytes(b"not what WiredTiger wrote")
    with pytest.raises(MongodUnavailable) as refused:
        embedded.start()
    assert str(tmp_path / "state" / "mongo") in str(refused.value)


def test_says_that_its_folder_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    with pytest.raises((MongodUnavailable, OSError), match=str(tmp_path / "state")):
        EmbeddedMongod(tmp_path / "state").start()


def test_says_that_its_folder_cannot_be_written(embedded: EmbeddedMongod, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    with (
        read_only(tmp_path / "state"),
        pytest.raises((MongodUnavailable, OSError), match=str(tmp_path / "state")),
    ):
        embedded.start()
    embedded.start()


def test_says_that_its_data_cannot_be_written(embedded: EmbeddedMongod, tmp_path: Path) -> None:
    data = tmp_path / "state" / "mongo" / "data"
    data.mkdir(parents=True)
    with read_only(data), pytest.raises(MongodUnavailable, match="can only be read"):
        embedded.start()
    embedded.start()


def test_says_that_the_disk_is_full(tmp_path: Path) -> None:
    with (
        mounted(tmp_path / "disk", "size=256k") as disk,
        pytest.raises((MongodUnavailable, OSError), match=r"disk is full|No space left on device"),
    ):
        EmbeddedMongod(disk).start()


@pytest.mark.expects_errors
def test_a_dead_one_that_cannot_be_started_is_started_as_soon_as_it_can(
    embedded: EmbeddedMongod, tmp_path: Path
) -> None:
    embedded.start()
    kill_mongod(tmp_path / "state")
    with read_only(tmp_path / "state"), pytest.raises((MongodUnavailable, OSError)):
        embedded.ensure_running()
    assert embedded.ensure_running()
