"""What an upload asks of its draft, in order: open a file, write to it, close it. Pure.

A request collects these and a draft carries a whole batch of them out in one go, so that a small upload costs
one thread hop however many files it has.
"""

from __future__ import annotations

from dataclasses import dataclass

from storage.domain.media_rules import MediaKind


@dataclass(frozen=True, slots=True)
class OpenFile:
    """The next bytes belong to a new file, sent as `field`; its content must be of `kind`."""

    field: str
    kind: MediaKind


@dataclass(frozen=True, slots=True)
class WriteBytes:
    data: bytes | memoryview


@dataclass(frozen=True, slots=True)
class CloseFile:
    """The open file is complete."""


FileOperation = OpenFile | WriteBytes | CloseFile


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file under its final name: `path` is relative to the media root."""

    field: str
    path: str
    media_type: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class FileProgress:
    """How far one file has come: its bytes that were carried out, and whether it was complete with them."""

    field: str
    size_bytes: int
    is_complete: bool
