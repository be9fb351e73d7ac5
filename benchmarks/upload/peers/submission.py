"""What every Python peer does with an upload besides receiving it: token, content type, file name, document.

The same work as ours does for a like-for-like comparison, and no more: nothing is hashed, nothing is fsynced.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

# isort: off
import pylibmagic  # libmagic as a wheel: imported first, it makes magic find that one, not the system's
import magic

# isort: on
import jwt

HEAD_BYTES = 4096
"""How much of a file libmagic sees, as in our server."""

MEDIA = Path(os.environ["BENCH_MEDIA"])
"""Where the files go; temporary ones go to TMPDIR, on the same disk."""

MONGO_URI, MONGO_DATABASE = os.environ["BENCH_MONGO_URI"], os.environ["BENCH_MONGO_DATABASE"]
_SECRET = os.environ["BENCH_SECRET"]
_ACCEPTED = {"image/jpeg", "image/png", "audio/x-wav", "audio/wav"}
_magic = magic.Magic(mime=True, magic_file=str(pylibmagic.data / "magic.mgc"))


class Refused(Exception):
    """A token or a file that is not accepted."""


def student_of(authorization: str | None) -> int:
    """The user id in an `Authorization: Bearer JWT` header; raises Refused."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer":
        raise Refused("no token")
    try:
        claims = jwt.decode(token, _SECRET, algorithms=["HS256"], options={"require": ["exp"]})
    except jwt.PyJWTError as error:
        raise Refused("a bad token") from error
    return int(claims["user_id"])


def media_type(head: bytes) -> str:
    """What a file is by its first HEAD_BYTES; raises Refused."""
    found = _magic.from_buffer(head)
    if found not in _ACCEPTED:
        raise Refused(f"{found} is not accepted")
    return found


def new_name() -> str:
    return uuid.uuid4().hex


def described(field: str, name: str, found: str, size_bytes: int) -> dict[str, Any]:
    """One file as the document holds it."""
    return {"field": field, "path": name, "media_type": found, "size_bytes": size_bytes}


def document(
    section: str, student: int, texts: Mapping[str, Any], files: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """The submission to insert; its `_id` is made here, so that the answer can name it."""
    return {
        "_id": uuid.uuid4().hex,
        "section": section,
        "student": student,
        "status": "pending",
        "submitted_at": datetime.now(UTC),
        "texts": dict(texts),
        "files": [dict(file) for file in files],
    }


def answer(stored: Mapping[str, Any]) -> dict[str, Any]:
    """The 201's body."""
    return {"id": stored["_id"], "status": "pending", "files": stored["files"]}
