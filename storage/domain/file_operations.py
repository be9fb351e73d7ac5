"""What an upload asks of its draft, in order: open a file, write to it, close it. Pure.

A request collects these and a draft carries a whole batch of them out in one go, so that a small upload costs
one thread hop however many files it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

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


class Receiver(Protocol):
    """Where the operations of one upload go: a draft on the disk, or a comparison with what is there already."""

    @property
    def pending_bytes(self) -> int:
        """How much was added and not carried out yet."""

    @property
    def progress(self) -> Sequence[FileProgress]:
        """How far each file has come, as carried out."""

    def add(self, operation: FileOperation) -> None:
        """Note an operation; nothing happens before `flush`."""

    async def flush(self) -> None:
        """Carry out what was added, in one job. Awaiting this is the upload's backpressure."""

    async def discard(self) -> None:
        """Leave nothing behind. Idempotent."""


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
