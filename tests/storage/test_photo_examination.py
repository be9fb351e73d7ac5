"""What is found of a photo, and what its copies show."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pytest
from PIL import Image

from storage.domain.examination import CopyUse, Examined, FileCopy, MediaWarning
from storage.photo_examination import examine_photo
from tests.media_samples import photo
from tests.odd_media import (
    GPS,
    RULES,
    SIDEWAYS,
    blank_photo,
    decompression_bomb,
    phone_photo,
    truncated,
)


def examined(folder: Path, content: bytes, extension: str = "jpg") -> Examined:
    source = folder / f"original.{extension}"
    source.write_bytes(content)
    found = examine_photo(source, {use: folder / use for use in CopyUse}, RULES)
    assert source.read_bytes() == content
    for copy in found.copies:
        made = Path(copy.path).read_bytes()
        assert (len(made), hashlib.sha256(made).hexdigest()) == (copy.size_bytes, copy.sha256)
    return found


def shown(found: Examined, use: CopyUse) -> Image.Image:
    copy = found.copy_for(use)
    assert isinstance(copy, FileCopy)
    picture = Image.open(io.BytesIO(Path(copy.path).read_bytes()))
    assert not dict(picture.getexif())
    assert not picture.getexif().get_ifd(GPS)
    assert f"image/{(picture.format or '').lower()}" == copy.media_type
    return picture


def brightness(picture: Image.Image, x: int, y: int) -> int:
    level = picture.convert("L").getpixel((x, y))
    assert isinstance(level, int)
    return level


def test_a_phone_photo_stands_upright(tmp_path: Path) -> None:
    """The stored left half is white; turned by 90° to the right it is the upper half."""
    found = examined(tmp_path, phone_photo(800, 600, orientation=SIDEWAYS))
    assert (found.width, found.height, found.warnings) == (600, 800, ())
    view, thumbnail = shown(found, CopyUse.VIEW), shown(found, CopyUse.THUMBNAIL)
    assert view.size == (600, 800)
    assert thumbnail.size == (240, 320)
    for picture in (view, thumbnail):
        middle = picture.width // 2
        assert brightness(picture, middle, 20) > 128 > brightness(picture, middle, picture.height - 20)


@pytest.mark.parametrize("orientation", range(2, 9))
def test_every_orientation_is_applied(tmp_path: Path, orientation: int) -> None:
    found = examined(tmp_path, phone_photo(orientation=orientation))
    assert shown(found, CopyUse.VIEW).size == (found.width, found.height)
    assert (found.width, found.height) == ((800, 600) if orientation < 5 else (600, 800))


def test_an_upright_photo_keeps_every_pixel(tmp_path: Path) -> None:
    sent = phone_photo(orientation=1)
    view = shown(examined(tmp_path, sent), CopyUse.VIEW)
    assert view.tobytes() == Image.open(io.BytesIO(sent)).tobytes()


def test_a_photo_with_others_behind_it_is_one_photo(tmp_path: Path) -> None:
    """Phones add a preview or a depth map (MPO), with metadata of its own."""
    first, second = (Image.open(io.BytesIO(phone_photo(orientation=each))) for each in (SIDEWAYS, 1))
    output = io.BytesIO()
    first.save(output, "MPO", save_all=True, append_images=[second], exif=first.getexif())
    found = examined(tmp_path, output.getvalue())
    assert found.warnings == ()
    assert shown(found, CopyUse.VIEW).size == (600, 800)
    assert b"PhoneMaker" not in (tmp_path / CopyUse.VIEW).read_bytes()


def test_a_sideways_png_is_turned_too(tmp_path: Path) -> None:
    found = examined(tmp_path, phone_photo(format="PNG"), "png")
    assert shown(found, CopyUse.VIEW).size == (600, 800)


def test_a_photo_that_says_nothing_needs_no_copy(tmp_path: Path) -> None:
    found = examined(tmp_path, photo(1000, 800))
    assert [copy.use for copy in found.copies] == [CopyUse.THUMBNAIL]
    assert found.warnings == ()


@pytest.mark.parametrize("mode", ["L", "1", "P", "LA", "RGBA", "I;16", "CMYK"])
def test_whatever_its_colours_there_is_a_thumbnail(tmp_path: Path, mode: str) -> None:
    picture: Image.Image = Image.open(io.BytesIO(photo(800, 600)))
    if mode == "I;16":
        picture = picture.convert("I").point(lambda level: level * 256).convert("I;16")
    output = io.BytesIO()
    picture.convert(mode).save(output, "JPEG" if mode == "CMYK" else "PNG")
    found = examined(tmp_path, output.getvalue(), "jpg" if mode == "CMYK" else "png")
    assert found.warnings == ()
    assert shown(found, CopyUse.THUMBNAIL).mode == "RGB"


@pytest.mark.parametrize(
    ("content", "extension", "warnings"),
    [
        (blank_photo(), "jpg", {MediaWarning.BLANK}),
        (photo(300, 200), "jpg", {MediaWarning.TINY}),
        (truncated(photo(800, 600)), "jpg", {MediaWarning.INCOMPLETE}),
        (truncated(photo(800, 600, format="PNG")), "png", {MediaWarning.INCOMPLETE}),
        (decompression_bomb(), "png", {MediaWarning.TOO_LARGE}),
        (photo(800, 600)[:300], "jpg", {MediaWarning.UNREADABLE}),
        (b"\xff\xd8\xff\xe0" + b"\x5a" * 5000, "jpg", {MediaWarning.UNREADABLE}),
        (photo(800, 600), "png", {MediaWarning.UNREADABLE}),
    ],
    ids=["blank", "tiny", "truncated jpeg", "truncated png", "bomb", "head only", "noise", "another format"],
)
def test_what_cannot_be_graded_is_said(
    tmp_path: Path, content: bytes, extension: str, warnings: set[MediaWarning]
) -> None:
    found = examined(tmp_path, content, extension)
    assert set(found.warnings) == warnings


def test_of_a_truncated_photo_the_upper_part_is_shown(tmp_path: Path) -> None:
    found = examined(tmp_path, truncated(phone_photo()))
    assert found.warnings == (MediaWarning.INCOMPLETE,)
    assert shown(found, CopyUse.VIEW).size == (600, 800)
