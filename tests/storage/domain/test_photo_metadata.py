"""A photo without its metadata is the same picture, and says nothing of where it was taken, damaged or not."""

from __future__ import annotations

import io
import time
from typing import Literal

import pytest
from PIL import Image, PngImagePlugin

from storage.domain.photo_metadata import cut, shown_parts, size_of, without_metadata
from tests.media_samples import photo
from tests.odd_media import GPS, MAKE, ORIENTATION, chunk, phone_photo, truncated

Format = Literal["JPEG", "PNG"]
FORMATS: list[Format] = ["JPEG", "PNG"]
SECRET = b"PhoneMaker"


@pytest.mark.parametrize("format", FORMATS)
def test_a_photo_without_metadata_stays_as_it_is_to_the_byte(format: Format) -> None:
    assert without_metadata(photo(format=format)) == photo(format=format)
    assert shown_parts(photo(format=format)) == [slice(0, len(photo(format=format)))]


@pytest.mark.parametrize("format", FORMATS)
def test_what_is_left_out_is_not_the_picture(format: Format) -> None:
    sent = phone_photo(format=format)
    assert SECRET in sent
    clean = without_metadata(sent)
    assert SECRET not in clean
    exif = Image.open(io.BytesIO(clean)).getexif()
    assert not exif.get_ifd(GPS)
    assert MAKE not in exif
    assert Image.open(io.BytesIO(clean)).tobytes() == Image.open(io.BytesIO(sent)).tobytes()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_which_side_is_up_is_still_said(orientation: int) -> None:
    clean = without_metadata(phone_photo(orientation=orientation))
    exif = Image.open(io.BytesIO(clean)).getexif()
    assert dict(exif) == ({ORIENTATION: orientation} if orientation > 1 else {})


def test_a_second_image_behind_the_first_goes() -> None:
    """As phones add one for depth or a larger preview, with metadata of its own."""
    first, second = photo(64, 48), phone_photo()
    assert without_metadata(first + second) == first


def test_comments_and_texts_go() -> None:
    picture = Image.open(io.BytesIO(photo()))
    output = io.BytesIO()
    picture.save(output, "JPEG", comment=SECRET, quality=85)
    assert SECRET in output.getvalue()
    assert SECRET not in without_metadata(output.getvalue())
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Location", SECRET.decode())
    texts.add_itxt("Place", SECRET.decode(), zip=False)
    output = io.BytesIO()
    picture.save(output, "PNG", pnginfo=texts)
    assert SECRET in output.getvalue()
    assert SECRET not in without_metadata(output.getvalue())


def test_a_colour_profile_stays() -> None:
    picture = Image.open(io.BytesIO(photo()))
    for format in FORMATS:
        output = io.BytesIO()
        picture.save(output, format, icc_profile=b"profile" * 20_000)
        clean = Image.open(io.BytesIO(without_metadata(output.getvalue())))
        assert clean.info["icc_profile"] == b"profile" * 20_000


def test_a_progressive_photo_has_all_its_scans() -> None:
    output = io.BytesIO()
    Image.open(io.BytesIO(photo())).save(output, "JPEG", progressive=True)
    assert without_metadata(output.getvalue()) == output.getvalue()


@pytest.mark.parametrize("format", FORMATS)
def test_whatever_is_missing_nothing_more_is_shown(format: Format) -> None:
    sent = phone_photo(64, 48, format=format)
    for length in range(len(sent)):
        clean = without_metadata(sent[:length])
        assert SECRET not in clean
        assert len(clean) <= length + 40  # a new segment for the orientation is shorter than most


def test_of_a_truncated_photo_what_is_there_is_shown() -> None:
    clean = without_metadata(truncated(phone_photo()))
    assert len(clean) > len(truncated(phone_photo())) - 1000


def test_a_scan_of_nothing_but_fill_bytes_is_looked_through_once() -> None:
    """Other threads wait meanwhile: what takes milliseconds must not take an hour."""
    began = time.process_time()
    without_metadata(b"\xff\xd8\xff\xda\0\2" + b"\xff" * (64 << 10))
    assert time.process_time() - began < 5  # it took 16 s, and for a whole photo hours


@pytest.mark.parametrize(
    ("head", "repeated"),
    [
        (b"\xff\xd8", b"\xff\xe1\0\2\xff\xd0"),
        (b"\xff\xd8", b"\xff\xe1\0\2"),
        (b"\xff\xd8", b"\xff"),
        (b"\x89PNG\r\n\x1a\n", chunk(b"tEXt", b"") + chunk(b"pHYs", b"")),
    ],
    ids=["segments", "left out", "fill bytes", "chunks"],
)
def test_what_no_camera_writes_is_cut_off(head: bytes, repeated: bytes) -> None:
    """A million parts would be a quarter of a gigabyte, and a minute of seeking."""
    parts = shown_parts(head + repeated * (2 << 20))
    assert len(parts) < 5000
    assert size_of(parts) < 1 << 20


@pytest.mark.parametrize(
    "content", [b"", b"\xff", b"\xff\xd8", b"text", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe1\0\0"]
)
def test_what_is_no_photo_shows_nothing(content: bytes) -> None:
    assert len(without_metadata(content)) <= len(content)


def test_any_range_of_the_parts_is_that_of_the_whole() -> None:
    sent = phone_photo(64, 48)
    clean, parts = without_metadata(sent), shown_parts(sent)
    assert size_of(parts) == len(clean)
    assert len(parts) > 2
    for first in range(0, len(clean), 7):
        for length in (0, 1, 10, 40, 500, len(clean)):
            some = list(cut(parts, first, length))
            found = b"".join(part if isinstance(part, bytes) else sent[part] for part in some)
            assert found == clean[first : first + length]
