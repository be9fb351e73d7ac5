"""What is found of a recording, and whether its copy can be sought in."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from storage.domain.examination import CopyUse, Examined, MediaWarning
from storage.draft_file import FILE_MODE
from storage.recording_examination import examine_recording
from tests.media_samples import RECORDINGS, recording, sound_of
from tests.odd_media import (
    RULES,
    duration_of,
    noise_after_header,
    opposite_channels,
    recording_at,
    silence,
    ten_hours_long,
    truncated,
    two_kinds,
    without_cues,
)

EXTENSIONS = {
    "audio/mpeg": "mp3",
    "audio/wav": "wav",
    "audio/webm": "webm",
    "audio/ogg": "ogg",
    "audio/flac": "flac",
    "audio/aac": "aac",
    "audio/mp4": "m4a",
}
SECONDS = 3.0
CODECS = {
    "mp3": "mp3",
    "wav": "pcm_s16le",
    "webm": "opus",
    "m4a": "aac",
    "mp4": "aac",
    "aac": "aac",
    "ogg-vorbis": "vorbis",
    "ogg-opus": "opus",
    "flac": "flac",
}
LIVE = {"webm-live", "mp4-live"}
CUES = b"\x1c\x53\xbb\x6b"
"""Matroska's index (RFC 9559, 5.1.5)."""


def examined(folder: Path, content: bytes, extension: str) -> Examined:
    source = folder / f"original.{extension}"
    source.write_bytes(content)
    found = examine_recording(source, {use: folder / use for use in CopyUse}, RULES)
    assert source.read_bytes() == content
    for copy in found.copies:
        made = Path(copy.path).read_bytes()
        assert Path(copy.path).stat().st_mode & 0o777 == FILE_MODE
        assert (len(made), hashlib.sha256(made).hexdigest()) == (copy.size_bytes, copy.sha256)
    return found


@pytest.mark.parametrize("kind", RECORDINGS)
def test_every_format_tells_how_long_it_is(tmp_path: Path, kind: str) -> None:
    content = recording(kind, SECONDS)
    found = examined(tmp_path, content, EXTENSIONS[RECORDINGS[kind]])
    assert found.warnings == ()
    assert found.duration_seconds == pytest.approx(SECONDS, abs=0.1)
    assert found.codec == CODECS[kind.removesuffix("-live").removesuffix("-no-id3").removesuffix("-long-id3")]
    assert found.bitrate == pytest.approx(len(content) * 8 / SECONDS, rel=0.05)
    assert len(found.peaks) == 200
    assert 10 < max(found.peaks) < 50
    assert bool(found.copies) is (kind in LIVE)


@pytest.mark.parametrize("kind", sorted(LIVE))
def test_what_a_browser_wrote_gets_a_copy_with_a_duration_and_an_index(tmp_path: Path, kind: str) -> None:
    content = recording(kind, 30.0)
    (copy,) = examined(tmp_path, content, EXTENSIONS[RECORDINGS[kind]]).copies
    made = Path(copy.path).read_bytes()
    assert copy.media_type == RECORDINGS[kind]
    assert duration_of(made) == pytest.approx(30.0, abs=0.1)
    assert b"moof" not in made
    if kind == "webm-live":
        assert duration_of(content) is None
        assert CUES not in content
        assert CUES in made
    found = examined(tmp_path, made, EXTENSIONS[RECORDINGS[kind]])
    assert (found.warnings, found.copies) == ((), ())


def test_a_duration_alone_does_not_make_a_recording_seekable(tmp_path: Path) -> None:
    content = without_cues()
    assert duration_of(content) == pytest.approx(SECONDS, abs=0.1)
    found = examined(tmp_path, content, "webm")
    assert found.warnings == ()
    (copy,) = found.copies
    assert CUES in Path(copy.path).read_bytes()


@pytest.mark.parametrize(
    ("content", "extension", "warnings"),
    [
        (silence(), "wav", {MediaWarning.SILENT}),
        (recording("mp3", 0.5), "mp3", {MediaWarning.VERY_SHORT}),
        (silence(0.2), "wav", {MediaWarning.SILENT, MediaWarning.VERY_SHORT}),
        (noise_after_header(), "webm", {MediaWarning.UNREADABLE}),
        (ten_hours_long(), "webm", {MediaWarning.WRONG_DURATION}),
        (truncated(recording("m4a", SECONDS)), "m4a", {MediaWarning.UNREADABLE}),
        (recording("wav", SECONDS), "flac", {MediaWarning.UNREADABLE}),
        (b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n" * 50, "mp3", {MediaWarning.UNREADABLE}),
    ],
    ids=["silent", "short", "both", "noise", "ten hours", "truncated", "another format", "play list"],
)
def test_what_cannot_be_graded_is_said(
    tmp_path: Path, content: bytes, extension: str, warnings: set[MediaWarning]
) -> None:
    assert set(examined(tmp_path, content, extension).warnings) == warnings


def test_a_recording_that_lies_gets_a_copy_that_does_not(tmp_path: Path) -> None:
    assert duration_of(ten_hours_long()) == 36_000
    found = examined(tmp_path, ten_hours_long(), "webm")
    assert found.duration_seconds == pytest.approx(SECONDS, abs=0.1)
    assert duration_of(Path(found.copies[0].path).read_bytes()) == pytest.approx(SECONDS, abs=0.1)


@pytest.mark.parametrize(
    ("kind", "muxer"),
    [("m4a", "mp4"), ("mp3", "mp3"), ("ogg-opus", "ogg"), ("ogg-vorbis", "ogg"), ("flac", "flac")],
)
def test_a_phones_recording_does_not_say_where_it_was_made(tmp_path: Path, kind: str, muxer: str) -> None:
    extension = EXTENSIONS[RECORDINGS[kind]]
    content = recording_at("+41.3110+69.2405/", kind=kind, muxer=muxer)
    assert (b"loci" if muxer == "mp4" else b"+41.3110") in content
    (copy,) = examined(tmp_path, content, extension).copies
    made = Path(copy.path).read_bytes()
    assert b"loci" not in made
    assert b"+41.3110" not in made
    again = examined(tmp_path, made, extension)
    assert (again.warnings, again.copies) == ((), ())
    assert again.duration_seconds == pytest.approx(SECONDS, abs=0.1)


@pytest.mark.parametrize(
    ("content", "extension", "seconds"),
    [
        (opposite_channels(), "wav", 3.0),
        (two_kinds(), "mp3", 6.0),
        (recording("mp3", SECONDS) + b"LYRICSBEGIN" + bytes(700) + b"LYRICS200", "mp3", 3.0),
        (recording("aac", SECONDS)[:-100], "aac", 3.0),
        (recording("mp3", SECONDS)[3000:-137], "mp3", 2.7),
    ],
    ids=["opposite channels", "two kinds", "unknown tags", "a frame cut off", "cut out"],
)
def test_of_a_good_recording_nothing_is_said(
    tmp_path: Path, content: bytes, extension: str, seconds: float
) -> None:
    found = examined(tmp_path, content, extension)
    assert found.warnings == ()
    assert found.duration_seconds == pytest.approx(seconds, abs=0.2)


def test_a_muted_microphones_offset_is_silence(tmp_path: Path) -> None:
    muted = sound_of("wav", (900).to_bytes(2, "little") * 16_000 * 3)
    assert examined(tmp_path, muted, "wav").warnings == (MediaWarning.SILENT,)


def test_what_is_missing_in_between_is_said(tmp_path: Path) -> None:
    content = bytearray(recording("mp3-no-id3", 10.0))
    middle = len(content) // 2
    content[middle : middle + 16_000] = bytes(16_000)
    assert set(examined(tmp_path, bytes(content), "mp3").warnings) == {MediaWarning.INCOMPLETE}


def test_only_so_much_is_listened_to(tmp_path: Path) -> None:
    source = tmp_path / "long.ogg"
    source.write_bytes(recording("ogg-opus", 30.0))
    found = examine_recording(source, {}, replace(RULES, long_seconds=10.0))
    assert found.warnings == (MediaWarning.TOO_LONG,)
    assert len(found.peaks) == 200
