"""What must be true of a server's documents and files whatever befell it (design section 5, promises 1 and 2)."""

from __future__ import annotations

import hashlib
import time
from typing import Any

from pymongo import MongoClient

from tests.e2e.processes import WAIT_SECONDS
from tests.e2e.server_process import ServerProcess
from tests.server.mongod_process import port_of
from tests.storage.uploads import drafts_on_disk, kept_on_disk

Document = dict[str, Any]

_DRAFT_TTL_SECONDS = 3600.0
"""`media.draft_ttl_seconds` where a test does not say otherwise."""


def assert_promises_kept(server: ServerProcess) -> None:
    """Every file a document points at is there, whole; none lies about that the sweep should have taken. `run.py
    fsck --deep` says the same.

    The server, or its MongoDB, runs.
    """
    referenced = {file["path"]: file for document in documents(server) for file in files_in(document)}
    for path, file in referenced.items():
        content = (server.media_root / path).read_bytes()
        assert len(content) == file["size_bytes"], path
        assert hashlib.sha256(content).hexdigest() == file["sha256"], path
    horizon = time.time() - float(server.setting("MEDIA__DRAFT_TTL_SECONDS") or _DRAFT_TTL_SECONDS)
    unreferenced = [server.media_root / path for path in kept_on_disk(server.media_root) - referenced.keys()]
    old = [
        path for path in unreferenced + drafts_on_disk(server.media_root) if path.stat().st_mtime < horizon
    ]
    assert old == []
    told = server.run("fsck", "--deep")
    assert told.returncode == 0, told.stdout + told.stderr


def documents(server: ServerProcess) -> list[Document]:
    """Every submission's document, the oldest first, read past the server."""
    uri = (
        server.setting("MONGO__URI")
        or f"mongodb://127.0.0.1:{port_of(server.state_dir)}/?directConnection=true"
    )
    name = server.setting("MONGO__DATABASE") or "turantalim"
    with MongoClient[Document](uri, serverSelectionTimeoutMS=int(WAIT_SECONDS * 1000)) as client:
        return list(client[name]["submissions"].find().sort("_id"))


def referenced_paths(server: ServerProcess) -> set[str]:
    """The path, below the media root, of every file that a document points at."""
    return {file["path"] for document in documents(server) for file in files_in(document)}


def files_in(document: Document) -> list[Document]:
    return [file for answer in document["answers"] for file in answer["files"]]
