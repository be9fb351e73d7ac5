"""`run.py` as operators type it: token, import-catalogue, sweep, and what it says about mistakes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from pymongo import MongoClient

from server.commands import main
from server.embedded_mongod import EmbeddedMongod
from server.settings import HOME
from tests.e2e.processes import is_running
from tests.e2e.server_process import ServerProcess
from tests.server.mongod_process import has_mongod, pid_of, throw_away

SAMPLE = str(HOME / "examples" / "catalogue.yaml")
SECRET = "a secret for commands, of more than 32 bytes"
IMPORTED = "1 exams, 1 user_tests, 8 questions imported\n"


@pytest.fixture
def installation(tmp_path: Path) -> ServerProcess:
    """Where commands run; no server does."""
    return ServerProcess(tmp_path, TURANTALIM_AUTH__SECRET=SECRET)


@pytest.fixture
def server(installation: ServerProcess) -> Iterator[ServerProcess]:
    try:
        yield installation.start()
    finally:
        installation.make_sure_it_ended()


def claims_of(token: str, secret: str = SECRET) -> dict[str, Any]:
    return jwt.decode(token, secret, algorithms=["HS256"])


def exams_in(uri: str) -> list[dict[str, Any]]:
    with MongoClient[dict[str, Any]](uri) as client:
        return list(client["turantalim"]["exams"].find())


def old_file_in(installation: ServerProcess) -> Path:
    """A file no document points at, two hours old."""
    path = installation.folder / "media" / "writing" / "2025" / "10" / "08" / f"{'0' * 32}.jpg"
    path.parent.mkdir(parents=True)
    path.touch()
    moment = time.time() - 7200
    os.utime(path, (moment, moment))
    return path


def test_help_names_every_command(installation: ServerProcess) -> None:
    done = installation.run("--help")
    assert done.returncode == 0
    for command in ("serve", "token", "import-catalogue", "sweep", "fsck"):
        assert f"\n    {command}" in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("fly",),
        ("token",),
        ("token", "--user", "42", "--role", "teacher"),
        ("token", "--user", "42", "--ttl", "soon"),
        # What the server would refuse in a token:
        ("token", "--user", ""),
        ("token", "--user", "a b"),
        ("token", "--user", "user:42"),
        ("token", "--user", "x" * 200),
        ("import-catalogue",),
        ("sweep", "--everything"),
        ("fsck", "--repair"),
    ],
)
def test_wrong_arguments_are_told_with_the_usage(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    told = capsys.readouterr()
    assert told.err.startswith("usage: run.py")
    assert told.out == ""


@pytest.mark.parametrize("role", ["student", "reviewer", "admin"])
def test_token_prints_a_token_and_nothing_else(installation: ServerProcess, role: str) -> None:
    done = installation.run(
        "token", "--user", "42", "--role", role, "--name", "Aziza Karimova", "--ttl", "60"
    )
    assert (done.returncode, done.stderr) == (0, "")
    claims = claims_of(done.stdout.removesuffix("\n"))
    assert claims["user_id"] == 42
    assert (claims["role"], claims["name"], claims["token_type"]) == (role, "Aziza Karimova", "access")
    assert claims["exp"] - claims["iat"] == 60


def test_token_is_a_students_for_a_day_unless_said_otherwise(installation: ServerProcess) -> None:
    claims = claims_of(installation.token("a-b@school.uz"))
    assert (claims["user_id"], claims["role"]) == ("a-b@school.uz", "student")
    assert claims["exp"] - claims["iat"] == 24 * 3600
    assert "name" not in claims


def test_token_is_signed_with_the_generated_secret_where_none_is_configured(tmp_path: Path) -> None:
    installation = ServerProcess(tmp_path)
    token = installation.token("42")
    secret = (tmp_path / "var" / "secret").read_text()
    assert claims_of(token, secret)["user_id"] == 42


def test_bad_configuration_is_told_by_key_and_exits_with_2(tmp_path: Path) -> None:
    installation = ServerProcess(
        tmp_path, TURANTALIM_SERVER__PORT="http", TURANTALIM_MONGO__NAME="x", TURANTALIM_AUTH__SECRET="short"
    )
    for command in ((), ("token", "--user", "42"), ("import-catalogue", SAMPLE), ("fsck",)):
        done = installation.run(*command)
        assert (done.returncode, done.stdout) == (2, "")
        lines = done.stderr.splitlines()
        assert lines[0] == "bad configuration:"
        assert {line.split(":")[0] for line in lines[1:]} == {"server.port", "mongo.name", "auth.secret"}
        assert "short" not in done.stderr
    assert not (tmp_path / "var").exists()


def test_another_settings_file_can_be_named(installation: ServerProcess, tmp_path: Path) -> None:
    config = tmp_path / "other.yaml"
    config.write_text("server: {prot: 1}")
    done = installation.run("--config", str(config), "token", "--user", "42")
    assert (done.returncode, "server.prot: there is no such key" in done.stderr) == (2, True)
    config.write_text("server: {port: 1}")
    assert installation.run("--config", str(config), "token", "--user", "42").returncode == 0
    assert installation.run("--config", str(tmp_path / "none.yaml"), "sweep").returncode == 2


@pytest.mark.parametrize(
    ("variable", "value", "key"),
    [
        ("TURANTALIM_SERVER__STATE_DIR", "{file}/var", "server.state_dir"),
        ("TURANTALIM_MEDIA__ROOT", "{file}/media", "media.root"),
        ("TURANTALIM_SERVER__HOST", "203.0.113.1", "server"),
        ("TURANTALIM_MONGO__URI", "mongodb://127.0.0.1:1/", "mongo.uri"),
        ("TURANTALIM_MONGO__URI", "mongodb://user:pa:ss@127.0.0.1/", "mongo.uri"),
    ],
)
def test_what_cannot_be_used_is_told_by_key_in_one_line(
    tmp_path: Path, mongod: EmbeddedMongod, variable: str, value: str, key: str
) -> None:
    (tmp_path / "file").write_text("not a folder")
    environment = {
        "TURANTALIM_MONGO__URI": mongod.uri,
        "TURANTALIM_MONGO__TIMEOUT_SECONDS": "0.5",
        "TURANTALIM_MONGO__DATABASE": tmp_path.name[:30],
    }
    installation = ServerProcess(tmp_path, **environment | {variable: value.format(file=tmp_path / "file")})
    done = installation.run()
    told = [line for line in done.stderr.splitlines() if line.startswith(key)]
    assert done.returncode in {1, 2}
    assert len(told) == 1
    assert "Traceback" not in done.stderr
    assert "pa:ss" not in done.stderr


def test_import_catalogue_brings_up_a_mongodb_for_the_while(
    installation: ServerProcess, tmp_path: Path
) -> None:
    done = installation.run("import-catalogue", SAMPLE)
    assert (done.returncode, done.stdout) == (0, IMPORTED)
    state = tmp_path / "var"
    assert not has_mongod(state)
    mongod = EmbeddedMongod(state)
    mongod.start()
    assert exams_in(mongod.uri) == [{"_id": 456, "title": "Multilevel English, October 2025"}]
    throw_away(mongod, state)


def test_import_catalogue_and_sweep_work_beside_a_running_server(server: ServerProcess) -> None:
    mongod = pid_of(server.folder / "var")
    unneeded = old_file_in(server)
    for _ in range(2):
        done = server.run("import-catalogue", SAMPLE)
        assert (done.returncode, done.stdout) == (0, IMPORTED)
    swept = server.run("sweep")
    # The server's own first sweep may have been there before.
    assert (swept.returncode, swept.stdout) in [(0, "1 files removed\n"), (0, "0 files removed\n")]
    assert not unneeded.exists()
    assert pid_of(server.folder / "var") == mongod
    assert is_running(mongod)
    uri = EmbeddedMongod(server.folder / "var").running_uri()
    assert [exam["_id"] for exam in exams_in(uri)] == [456]
    assert server.stop() == 0
    assert server.log_lines("error") == []


def test_import_catalogue_says_what_is_wrong_with_the_file(
    installation: ServerProcess, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text("exams: [{id: one, title: October}]")
    for path in (broken, tmp_path / "none.yaml"):
        done = installation.run("import-catalogue", str(path))
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(str(path))
    assert not (tmp_path / "var" / "mongo").exists()


def test_sweep_works_without_a_server(installation: ServerProcess) -> None:
    unneeded = old_file_in(installation)
    young = unneeded.with_name(f"{'1' * 32}.jpg")
    young.touch()
    done = installation.run("sweep")
    assert (done.returncode, done.stdout) == (0, "1 files removed\n")
    assert not unneeded.exists()
    assert young.exists()
