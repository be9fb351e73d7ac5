"""StateDir: one server at a time, and one secret, made once and for this user's eyes only."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from server.settings import HOME, BadSettings
from server.state_dir import StateDir, StateDirInUse

HOLDER = """
import sys
from pathlib import Path
from server.state_dir import StateDir
StateDir(Path(sys.argv[1])).lock()
print("locked", flush=True)
sys.stdin.read()
"""
HOLDER_WITH_WORKER = """
import os, sys
from pathlib import Path
from server.state_dir import StateDir
StateDir(Path(sys.argv[1])).lock()
if os.fork() == 0:
    print("locked", flush=True)
    sys.stdin.read()
    os._exit(0)
os.wait()
"""
"""The worker stays until it is told to go, whatever becomes of the holder."""
RUSH = """
import os, sys
from pathlib import Path
from server.state_dir import StateDir
start, go = os.pipe()
for _ in range(10):
    if os.fork() == 0:
        try:
            os.close(go)
            os.read(start, 1)
            os.write(1, StateDir(Path(sys.argv[1])).secret().encode() + b"\\n")
        except BaseException:
            os._exit(1)
        os._exit(0)
os.close(go)
sys.exit(any([os.wait()[1] for _ in range(10)]))
"""
"""Ten processes that stand ready until the same moment."""


def python(program: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, str(folder)],
        cwd=HOME,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_second_server_on_the_same_folder_is_told_the_key_and_the_process(tmp_path: Path) -> None:
    first, second = StateDir(tmp_path / "var"), StateDir(tmp_path / "var")
    first.lock()
    with pytest.raises(StateDirInUse) as refused:
        second.lock()
    assert str(refused.value).startswith("server.state_dir: ")
    assert str(tmp_path / "var") in str(refused.value)
    assert f"process {os.getpid()}" in str(refused.value)
    first.release()
    second.lock()
    second.release()


def test_the_workers_of_one_that_died_are_waited_for(tmp_path: Path) -> None:
    with python(HOLDER_WITH_WORKER, tmp_path / "var") as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        holder.kill()
        holder.wait()
        with ThreadPoolExecutor() as threads:
            locking = threads.submit(StateDir(tmp_path / "var").lock)
            with pytest.raises(TimeoutError):
                locking.result(0.1)
            assert holder.stdin is not None
            holder.stdin.close()
            locking.result(30)


def test_servers_on_different_folders_do_not_mind_each_other(tmp_path: Path) -> None:
    states = [StateDir(tmp_path / name) for name in ("one", "two")]
    for state in states:
        state.lock()
    for state in states:
        state.release()


def test_releasing_may_be_repeated(tmp_path: Path) -> None:
    state = StateDir(tmp_path)
    state.release()
    state.lock()
    state.release()
    state.release()


def test_the_lock_of_a_killed_server_is_free_at_once(tmp_path: Path) -> None:
    with python(HOLDER, tmp_path) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        with pytest.raises(StateDirInUse, match=f"process {holder.pid}"):
            StateDir(tmp_path).lock()
        holder.kill()
        holder.wait()
        state = StateDir(tmp_path)
        state.lock()
        state.release()


def test_a_child_of_the_server_does_not_inherit_the_lock(tmp_path: Path) -> None:
    state = StateDir(tmp_path)
    state.lock()
    with subprocess.Popen(
        ["/bin/cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, close_fds=False
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(b"started\n")
        child.stdin.flush()
        assert (
            child.stdout.readline() == b"started\n"
        )  # the kernel closes what is not inherited before it runs
        state.release()
        state.lock()
        state.release()


def test_the_secret_is_made_once_and_kept_from_others(tmp_path: Path) -> None:
    state = StateDir(tmp_path / "var")
    secret = state.secret()
    assert len(secret.encode()) >= 32
    assert [state.secret(), StateDir(tmp_path / "var").secret()] == [secret, secret]
    assert (tmp_path / "var" / "secret").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (tmp_path / "var").iterdir()] == ["secret"]
    assert StateDir(tmp_path / "other").secret() != secret


def test_the_secret_is_kept_from_others_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        StateDir(tmp_path).secret()
    finally:
        os.umask(before)
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600


def test_ten_processes_that_start_at_once_have_the_same_secret(tmp_path: Path) -> None:
    rush = python(RUSH, tmp_path / "var")
    answers = rush.communicate(timeout=60)[0].splitlines()
    assert rush.returncode == 0
    assert answers == [StateDir(tmp_path / "var").secret()] * 10
    assert [path.name for path in (tmp_path / "var").iterdir()] == ["secret"]


def test_a_secret_an_operator_put_there_is_used(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x" * 40 + "\n")
    assert StateDir(tmp_path).secret() == "x" * 40


@pytest.mark.parametrize("left", ["", "\n", "too short"])
def test_a_secret_that_a_power_cut_or_an_operator_left_too_short_is_never_used(
    tmp_path: Path, left: str
) -> None:
    (tmp_path / "secret").write_text(left)
    with pytest.raises(BadSettings) as refused:
        StateDir(tmp_path).secret()
    assert str(refused.value).startswith("auth.secret: ")
    assert str(tmp_path / "secret") in str(refused.value)
