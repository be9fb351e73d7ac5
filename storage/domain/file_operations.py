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


class Batch:
    """Operations that were asked for and not carried out yet; `size_bytes` is what they write."""

    def __init__(self) -> None:
        self._operations: list[FileOperation] = []
        self.size_bytes = 0

    def add(self, operation: FileOperation) -> None:
        self._operations.append(operation)
        if isinstance(operation, WriteBytes):
            self.size_bytes += len(operation.data)

    def take(self) -> list[FileOperation]:
        """All of them, in order; the batch is empty then."""
        operations, self._operations, self.size_bytes = self._operations, [], 0
        return operations


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
