"""The format of a file by its first bytes, through libmagic. Blocking: call it in a worker thread."""

from __future__ import annotations

# isort: off
import pylibmagic  # libmagic as a wheel: imported first, it makes magic find that one, not the system's
import magic

# isort: on
from storage.domain.media_rules import MediaFormat, MediaKind, recognise

HEAD_BYTES = 4096
"""How much of a file libmagic sees: WebM and MP4 name themselves within this, and it is one page."""


class MediaTypeDetector:
    """One libmagic cookie; python-magic serialises its use, so threads may share it."""

    def __init__(self) -> None:
        self._magic = magic.Magic(mime=True, magic_file=str(pylibmagic.data / "magic.mgc"))

    def detect(self, kind: MediaKind, head: bytes) -> MediaFormat | None:
        """The accepted format of `kind` that `head` (HEAD_BYTES, or a whole shorter file) is in, or None."""
        return recognise(kind, self._magic.from_buffer(head), head)
