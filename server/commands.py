"""What `python run.py …` can do: serve, token, import-catalogue, sweep, fsck, openapi."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import socket
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import structlog

from handlers.auth import USER_ID
from server.application import document_text
from server.embedded_mongod import EmbeddedMongod
from server.exit_status import FAILED, exit_status
from server.lifecycle import Duties, serve
from server.listening import announcement, open_sockets
from server.logs import configure_logs
from server.services import build_authenticator, build_vault, connect
from server.settings import Settings, load_settings, naming
from server.state_dir import StateDir, StateDirInUse
from server.supervisor import Supervisor
from server.workers import ServingWorkers
from storage.catalogue import Catalogue, read_catalogue
from storage.domain.people import Person, Role
from storage.indexes import ensure_indexes
from storage.media_audit import Audit, AuditSettings, audit, report
from storage.media_sweep import sweep
from storage.submission_store import SubmissionStore

log = structlog.get_logger(__name__)

_TOKEN_TTL_SECONDS = 24 * 3600


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status: 0 done, 1 failed or a broken promise, 2 bad configuration or
    arguments."""
    wanted = _parser().parse_args(arguments)
    return exit_status(lambda: _run(wanted))


def _run(wanted: argparse.Namespace) -> int:
    if wanted.command == "openapi":
        sys.stdout.write(document_text())
        return 0
    settings = load_settings(wanted.config)
    configure_logs(settings.logs)
    match wanted.command:
        case "token":
            _token(settings, wanted)
        case "import-catalogue":
            _import_catalogue(settings, wanted.file)
        case "sweep":
            _sweep(settings)
        case "fsck":
            return _fsck(settings, deep=wanted.deep)
        case _:
            return _serve(settings)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="run.py", description="Turantalim Upload Server")
    parser.add_argument("--config", type=Path, help="settings file (default: config.yaml beside run.py)")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("serve", help="serve (the default)")
    token = commands.add_parser("token", help="print a JWT signed with the configured secret")
    token.add_argument("--user", required=True, type=_user_id, help="user id")
    token.add_argument("--role", choices=[role.value for role in Role], default=Role.STUDENT.value)
    token.add_argument("--name", help="name shown to others")
    token.add_argument(
        "--ttl", type=int, default=_TOKEN_TTL_SECONDS, help="seconds it holds (default: a day)"
    )
    catalogue = commands.add_parser(
        "import-catalogue", help="insert or overwrite exams, user tests, questions"
    )
    catalogue.add_argument("file", type=Path, metavar="FILE.yaml")
    commands.add_parser("sweep", help="remove old drafts and files no document points at, once")
    fsck = commands.add_parser("fsck", help="compare documents with files; exits 1 on a broken promise")
    fsck.add_argument("--deep", action="store_true", help="read every file and compare its SHA-256")
    commands.add_parser("openapi", help="print the description of the HTTP API (OpenAPI 3.1)")
    return parser


def _user_id(text: str) -> str:
    if not USER_ID.fullmatch(text):
        raise argparse.ArgumentTypeError("no spaces, no colon, at most 128 characters")
    return text


def _serve(settings: Settings) -> int:
    state = StateDir(settings.server.state_dir)
    with naming("server.state_dir"):
        state.lock()
    try:
        mongod = _embedded(settings, state)
        try:
            uri = mongod.uri if mongod else settings.mongo.uri.get_secret_value()
            secret = _secret(settings, state)
            if settings.server.processes == 1:
                asyncio.run(serve(settings, uri, secret, _alone(settings, mongod)))
                return 0
            workers = ServingWorkers(settings, uri, secret, mongod)
            return Supervisor(workers, settings.server.processes).run()
        finally:
            if mongod:
                mongod.stop()
    finally:
        state.release()


def _alone(settings: Settings, mongod: EmbeddedMongod | None) -> Duties:
    def say_where(sockets: Sequence[socket.socket]) -> None:
        sys.stdout.write(announcement(settings.server, sockets))
        sys.stdout.flush()

    return Duties(listen=lambda: open_sockets(settings.server)[0], serving=say_where, mongod=mongod)


def _token(settings: Settings, wanted: argparse.Namespace) -> None:
    secret = _secret(settings, StateDir(settings.server.state_dir))
    person = Person(wanted.user, wanted.name)
    sys.stdout.write(build_authenticator(settings, secret).mint(person, Role(wanted.role), wanted.ttl) + "\n")


def _import_catalogue(settings: Settings, file: Path) -> None:
    content = read_catalogue(file)

    async def load(uri: str) -> None:
        database = connect(settings, uri)
        try:
            counts = await Catalogue(database, enforced=True).load(content)
        finally:
            database.close()
        sys.stdout.write(", ".join(f"{number} {name}" for name, number in counts.items()) + " imported\n")

    with _mongo_uri(settings) as uri:
        asyncio.run(load(uri))


def _sweep(settings: Settings) -> None:
    async def run(uri: str) -> None:
        database = connect(settings, uri)
        vault = build_vault(settings)
        vault.open()
        try:
            await ensure_indexes(database)
            removed = await sweep(vault, SubmissionStore(database), settings.media.draft_ttl_seconds)
        finally:
            vault.close()
            database.close()
        sys.stdout.write(f"{removed} files removed\n")

    with _mongo_uri(settings) as uri:
        asyncio.run(run(uri))


def _fsck(settings: Settings, *, deep: bool) -> int:
    """Only reads: the vault is not opened, and no index is made."""
    media = settings.media
    swept_after_seconds = media.draft_ttl_seconds + media.sweep_seconds

    async def run(uri: str) -> Audit:
        database = connect(settings, uri)
        try:
            return await audit(
                SubmissionStore(database), AuditSettings(media.root, swept_after_seconds, deep)
            )
        finally:
            database.close()

    with _mongo_uri(settings) as uri:
        result = asyncio.run(run(uri))
    for line in report(result):
        sys.stdout.write(line + "\n")
    return FAILED if result.findings else 0


@contextlib.contextmanager
def _mongo_uri(settings: Settings) -> Iterator[str]:
    """A MongoDB to work with: the configured one, a running server's embedded one, or one for the while."""
    if not settings.mongo.is_embedded:
        yield settings.mongo.uri.get_secret_value()
        return
    state = StateDir(settings.server.state_dir)
    mongod = EmbeddedMongod(state.path)
    try:
        state.lock()
    except StateDirInUse:
        yield mongod.running_uri()
        return
    try:
        mongod.start()
        yield mongod.uri
    finally:
        mongod.stop()
        state.release()


def _embedded(settings: Settings, state: StateDir) -> EmbeddedMongod | None:
    if not settings.mongo.is_embedded:
        return None
    mongod = EmbeddedMongod(state.path)
    mongod.start()
    return mongod


def _secret(settings: Settings, state: StateDir) -> str:
    return settings.auth.secret.get_secret_value() or state.secret()
