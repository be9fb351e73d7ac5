"""Which content is accepted as an image or a recording."""

from __future__ import annotations

import pytest

from storage.domain.media_rules import MEDIA_TYPE_BY_EXTENSION, MediaKind, recognise

ID3 = b"ID3\x04\x00\x00\x00\x00\x02\x01"
FRAME = b"\xff\xfb\x90\x64"
UNDECIDED = "application/octet-stream"


@pytest.mark.parametrize(
    ("magic_type", "media_type", "extension"),
    [("image/jpeg", "image/jpeg", "jpg"), ("image/png", "image/png", "png")],
)
def test_accepts_the_images_of_the_api_document(magic_type: str, media_type: str, extension: str) -> None:
    found = recognise(MediaKind.IMAGE, magic_type, b"")
    assert found is not None
    assert (found.kind, found.media_type, found.extension) == (MediaKind.IMAGE, media_type, extension)


@pytest.mark.parametrize(
    ("magic_type", "media_type", "extension"),
    [
        ("audio/mpeg", "audio/mpeg", "mp3"),
        ("audio/mp3", "audio/mpeg", "mp3"),
        ("audio/wav", "audio/wav", "wav"),
        ("audio/wave", "audio/wav", "wav"),
        ("audio/x-wav", "audio/wav", "wav"),
        ("audio/webm", "audio/webm", "webm"),
        ("video/webm", "audio/webm", "webm"),
        ("audio/aac", "audio/aac", "aac"),
        ("audio/x-m4a", "audio/mp4", "m4a"),
        ("audio/ogg", "audio/ogg", "ogg"),
        ("audio/vorbis", "audio/ogg", "ogg"),
        ("audio/flac", "audio/flac", "flac"),
        ("audio/mp4", "audio/mp4", "m4a"),
        ("video/mp4", "audio/mp4", "m4a"),
    ],
)
def test_accepts_the_recordings_of_the_api_document(magic_type: str, media_type: str, extension: str) -> None:
    found = recognise(MediaKind.AUDIO, magic_type, b"")
    assert found is not None
    assert (found.kind, found.media_type, found.extension) == (MediaKind.AUDIO, media_type, extension)


@pytest.mark.parametrize(
    ("kind", "magic_type"),
    [
        (MediaKind.AUDIO, "image/jpeg"),
        (MediaKind.AUDIO, "image/png"),
        (MediaKind.IMAGE, "audio/mpeg"),
        (MediaKind.IMAGE, "video/webm"),
        (MediaKind.IMAGE, "image/gif"),
        (MediaKind.IMAGE, "image/webp"),
        (MediaKind.IMAGE, "image/heic"),
        (MediaKind.IMAGE, "image/svg+xml"),
        (MediaKind.AUDIO, "video/x-matroska"),
        (MediaKind.AUDIO, "video/quicktime"),
        (MediaKind.AUDIO, "audio/midi"),
        (MediaKind.IMAGE, "application/pdf"),
        (MediaKind.AUDIO, "text/html"),
        (MediaKind.AUDIO, "application/x-executable"),
        (MediaKind.AUDIO, ""),
    ],
)
def test_accepts_nothing_else(kind: MediaKind, magic_type: str) -> None:
    assert recognise(kind, magic_type, b"") is None


@pytest.mark.parametrize(
    "head", [ID3, ID3 + bytes(100), b"ID3\x03\x00" + bytes(5), ID3 + FRAME, FRAME, b"\xff\xf3\x18\xc4"]
)
def test_takes_an_mp3_libmagic_does_not_know(head: bytes) -> None:
    found = recognise(MediaKind.AUDIO, UNDECIDED, head)
    assert found is not None
    assert found.media_type == "audio/mpeg"


def test_an_mp3_is_no_image() -> None:
    assert recognise(MediaKind.IMAGE, UNDECIDED, ID3) is None


@pytest.mark.parametrize(
    "magic_type", ["text/plain", "text/html", "application/zip", "video/x-matroska", "image/gif"]
)
def test_what_libmagic_knows_is_not_looked_at_again(magic_type: str) -> None:
    assert recognise(MediaKind.AUDIO, magic_type, ID3) is None


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\x00" * 100,
        b"ID3",
        ID3[:9],
        b"ID3\x01\x00" + bytes(5),
        b"ID3\x05\x00" + bytes(5),
        b"ID3\xff\x00" + bytes(5),
        b"ID3\x04\xff" + bytes(5),
        b"ID3\x04\x00\x00\x80\x00\x00\x00",
        b"id3" + ID3[3:],
        FRAME[:3],
        b"\xff\xd8\xff\xe0",
        b"\xff\xf1\x50\x80",  # AAC in ADTS: layer 0
        b"\xff\xfd\x90\x64",  # MPEG layer II
        b"\xff\xeb\x90\x64",  # reserved version
        b"\xff\xfb\x00\x64",  # free bit rate
        b"\xff\xfb\xf0\x64",  # bad bit rate
        b"\xff\xfb\x01\x64",  # free bit rate, private bit
        b"\xff\xfb\x9c\x64",  # reserved sampling rate
        b"\xff\xfb\x9d\x64",  # reserved sampling rate, private bit
        b"\xfe\xff\x00h",  # UTF-16 text
        b"\xff\xfeh\x00",
    ],
)
def test_takes_nothing_unknown_for_an_mp3(head: bytes) -> None:
    assert recognise(MediaKind.AUDIO, UNDECIDED, head) is None


@pytest.mark.parametrize("magic_type", ["text/plain", UNDECIDED])
def test_does_not_take_prose_that_begins_with_id3_for_an_mp3(magic_type: str) -> None:
    assert recognise(MediaKind.AUDIO, magic_type, b"ID3 is a tag format. This is no recording.") is None


def test_every_extension_is_served_under_one_type() -> None:
    assert MEDIA_TYPE_BY_EXTENSION == {
        "jpg": "image/jpeg",
        "png": "image/png",
        "mp3": "audio/mpeg",
        "wav": "audio/wav",
        "webm": "audio/webm",
        "ogg": "audio/ogg",
        "flac": "audio/flac",
        "aac": "audio/aac",
        "m4a": "audio/mp4",
    }
