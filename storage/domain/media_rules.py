"""Which media is accepted, decided by content. Pure.

Source: API document, "Accepted File Types" and "Supported Audio Formats" (the longer list holds, design
section 3, *Forms*). libmagic names the content; names are compared by family, because it calls a browser's
sound-only recording `video/webm` and a short ID3-tagged MP3 `application/octet-stream`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class MediaKind(StrEnum):
    IMAGE = "image"
    AUDIO = "audio"


@dataclass(frozen=True, slots=True)
class MediaFormat:
    """An accepted format: what it is called in answers and how its files end."""

    kind: MediaKind
    media_type: str
    extension: str


_JPEG = MediaFormat(MediaKind.IMAGE, "image/jpeg", "jpg")
_PNG = MediaFormat(MediaKind.IMAGE, "image/png", "png")
_MP3 = MediaFormat(MediaKind.AUDIO, "audio/mpeg", "mp3")
_WAV = MediaFormat(MediaKind.AUDIO, "audio/wav", "wav")
_WEBM = MediaFormat(MediaKind.AUDIO, "audio/webm", "webm")
_OGG = MediaFormat(MediaKind.AUDIO, "audio/ogg", "ogg")
_FLAC = MediaFormat(MediaKind.AUDIO, "audio/flac", "flac")
_AAC = MediaFormat(MediaKind.AUDIO, "audio/aac", "aac")
_M4A = MediaFormat(MediaKind.AUDIO, "audio/mp4", "m4a")

_BY_MAGIC: dict[str, MediaFormat] = {
    "image/jpeg": _JPEG,
    "image/png": _PNG,
    "audio/mpeg": _MP3,
    "audio/mp3": _MP3,
    "audio/wav": _WAV,
    "audio/wave": _WAV,
    "audio/x-wav": _WAV,
    "audio/vnd.wave": _WAV,
    "audio/webm": _WEBM,
    "video/webm": _WEBM,
    "audio/ogg": _OGG,
    "audio/vorbis": _OGG,
    "application/ogg": _OGG,
    "video/ogg": _OGG,
    "audio/flac": _FLAC,
    "audio/x-flac": _FLAC,
    "audio/aac": _AAC,
    "audio/x-aac": _AAC,
    "audio/x-hx-aac-adts": _AAC,
    "audio/x-hx-aac-adif": _AAC,
    "audio/mp4": _M4A,
    "audio/x-m4a": _M4A,
    "video/mp4": _M4A,
    "video/x-m4v": _M4A,
}

MEDIA_TYPE_BY_EXTENSION: dict[str, str] = {media.extension: media.media_type for media in _BY_MAGIC.values()}
"""How a stored file is labelled when it is served: its extension was chosen here, from its content."""

_UNDECIDED = "application/octet-stream"
_ID3_HEADER_BYTES = 10
_ID3_VERSIONS = (2, 3, 4)
_MPEG_LAYER_MASK, _MPEG_LAYER_III = 0x06, 0x02


def recognise(kind: MediaKind, magic_type: str, head: bytes) -> MediaFormat | None:
    """The accepted format of `kind` that content is in, or None.

    `magic_type` is libmagic's MIME type of `head`, the first bytes of the file (4 KiB, or all of a shorter
    one). Where libmagic does not decide, an ID3v2 tag or an MPEG layer III frame header says MP3.
    """
    found = _BY_MAGIC.get(magic_type)
    if found is None and magic_type == _UNDECIDED and _looks_like_mp3(head):
        found = _MP3
    return found if found is not None and found.kind is kind else None


def _looks_like_mp3(head: bytes) -> bool:
    """ID3v2 header (id3.org, section 3.1: versions 2 to 4, size bytes below 0x80) or frame sync."""
    if head[:3] == b"ID3":
        return (
            len(head) >= _ID3_HEADER_BYTES
            and head[3] in _ID3_VERSIONS
            and head[4] < 0xFF
            and all(byte < 0x80 for byte in head[6:10])
        )
    return (
        len(head) >= 4
        and head[0] == 0xFF
        and head[1] & 0xE0 == 0xE0
        and head[1] & _MPEG_LAYER_MASK == _MPEG_LAYER_III
        and head[1] & 0x18 != 0x08  # version id 01 is reserved
        and head[2] & 0xF0 not in (0x00, 0xF0)  # bit rate: neither free nor bad
        and head[2] & 0x0C != 0x0C  # sampling rate 11 is reserved
    )
