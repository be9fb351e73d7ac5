"""MediaTypeDetector on real files: libmagic's names for them, together with the rules that read these names."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from storage.domain.media_rules import MediaKind
from storage.media_type import HEAD_BYTES, MediaTypeDetector
from tests.media_samples import RECORDINGS, not_media, padded, photo, recording

PHOTOS = {"JPEG": "image/jpeg", "PNG": "image/png"}
REFUSED = not_media()
TREE = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def detector() -> MediaTypeDetector:
    return MediaTypeDetector()


def reported(detector: MediaTypeDetector, kind: MediaKind, content: bytes) -> str | None:
    found = detector.detect(kind, content)
    return found.media_type if found is not None else None


def make_photo(name: str) -> bytes:
    return photo(format="PNG") if name == "PNG" else photo()


@pytest.mark.parametrize(("name", "media_type"), PHOTOS.items())
def test_recognises_a_photo_as_an_image_only(detector: MediaTypeDetector, name: str, media_type: str) -> None:
    content = make_photo(name)
    assert reported(detector, MediaKind.IMAGE, content) == media_type
    assert reported(detector, MediaKind.AUDIO, content) is None


@pytest.mark.parametrize(("name", "media_type"), RECORDINGS.items())
def test_recognises_a_recording_as_audio_only(
    detector: MediaTypeDetector, name: str, media_type: str
) -> None:
    content = recording(name)
    assert reported(detector, MediaKind.AUDIO, content) == media_type
    assert reported(detector, MediaKind.IMAGE, content) is None


@pytest.mark.parametrize(("name", "media_type"), PHOTOS.items())
def test_recognises_a_photo_by_its_head(detector: MediaTypeDetector, name: str, media_type: str) -> None:
    content = make_photo(name)
    assert len(content) > HEAD_BYTES == 4096
    assert reported(detector, MediaKind.IMAGE, content[:HEAD_BYTES]) == media_type
    assert reported(detector, MediaKind.AUDIO, content[:HEAD_BYTES]) is None


@pytest.mark.parametrize(("name", "media_type"), RECORDINGS.items())
def test_recognises_a_recording_by_its_head(detector: MediaTypeDetector, name: str, media_type: str) -> None:
    content = recording(name)
    assert len(content) > HEAD_BYTES == 4096
    assert reported(detector, MediaKind.AUDIO, content[:HEAD_BYTES]) == media_type
    assert reported(detector, MediaKind.IMAGE, content[:HEAD_BYTES]) is None


@pytest.mark.parametrize(("name", "media_type"), RECORDINGS.items())
def test_recognises_a_recording_of_a_moment(detector: MediaTypeDetector, name: str, media_type: str) -> None:
    assert reported(detector, MediaKind.AUDIO, recording(name, 0.03)) == media_type


@pytest.mark.parametrize("name", ["mp3", "mp3-long-id3"])
@pytest.mark.parametrize("length", [10, 20, 100, 500])
def test_recognises_an_mp3_that_is_hardly_longer_than_its_tag(
    detector: MediaTypeDetector, name: str, length: int
) -> None:
    content = recording(name, 0.03)[:length]
    assert content.startswith(b"ID3")
    assert reported(detector, MediaKind.AUDIO, content) == "audio/mpeg"


@pytest.mark.parametrize("kind", MediaKind)
@pytest.mark.parametrize("name", REFUSED)
def test_refuses_what_is_neither_photo_nor_recording(
    detector: MediaTypeDetector, name: str, kind: MediaKind
) -> None:
    assert detector.detect(kind, REFUSED[name]) is None
    assert detector.detect(kind, REFUSED[name][:HEAD_BYTES]) is None


@pytest.mark.parametrize("kind", MediaKind)
def test_refuses_an_empty_file(detector: MediaTypeDetector, kind: MediaKind) -> None:
    assert detector.detect(kind, b"") is None


def test_padding_changes_nothing(detector: MediaTypeDetector) -> None:
    assert reported(detector, MediaKind.AUDIO, padded(recording("wav"), 100_000)) == "audio/wav"
    assert reported(detector, MediaKind.IMAGE, padded(make_photo("JPEG"), 300_000)) == "image/jpeg"


def test_detects_with_the_libmagic_of_the_wheel() -> None:
    # In a fresh interpreter, since the order of imports decides it: python-magic would take the machine's
    # libmagic, which cannot read the wheel's database, or find none at all.
    program = (
        "import storage.media_type, magic, pylibmagic, pathlib\n"
        "storage.media_type.MediaTypeDetector()\n"
        "loaded, wheel = pathlib.Path(magic.libmagic._name), pathlib.Path(str(pylibmagic.data))\n"
        "assert loaded.parent == wheel, loaded\n"
    )
    result = subprocess.run([sys.executable, "-c", program], cwd=TREE, capture_output=True, check=False)
    assert result.returncode == 0, result.stderr.decode(errors="replace")[-500:]
