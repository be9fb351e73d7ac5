"""Whatever a recording is like, the question whether it has an index is answered."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from storage.seek_index import has_index
from tests.media_samples import recording
from tests.odd_media import without_cues


@pytest.mark.parametrize(
    ("content", "extension", "expected"),
    [
        (recording("webm", 3.0), "webm", True),
        (recording("webm-live", 3.0), "webm", False),
        (without_cues(), "webm", False),
        (recording("m4a", 3.0), "m4a", True),
        (recording("mp4-live", 3.0), "m4a", False),
        (recording("mp3", 3.0), "mp3", True),
        (b"", "webm", False),
        (b"", "m4a", True),
    ],
    ids=["webm", "live webm", "without cues", "m4a", "live m4a", "mp3", "nothing", "no box"],
)
def test_a_recording_has_an_index_or_not(
    tmp_path: Path, content: bytes, extension: str, expected: bool
) -> None:
    source = tmp_path / f"original.{extension}"
    source.write_bytes(content)
    assert has_index(source) is expected


@pytest.mark.parametrize(
    ("kind", "extension"), [("webm", "webm"), ("webm-live", "webm"), ("mp4-live", "m4a")]
)
def test_damage_does_no_harm(tmp_path: Path, kind: str, extension: str) -> None:
    chance = random.Random(kind)  # noqa: S311
    whole = recording(kind, 3.0)
    source = tmp_path / f"original.{extension}"
    for _ in range(500):
        damaged = bytearray(whole[: chance.randrange(1, len(whole))])
        for _ in range(5):
            damaged[chance.randrange(min(len(damaged), 800))] = chance.randrange(256)
        source.write_bytes(damaged)
        has_index(source)
