"""File names as old and broken clients write them: none is a reason to refuse a file, and none is ever needed."""

from __future__ import annotations

import pytest

from storage.domain.errors import MalformedBody
from tests.forms import Part, byte_by_byte, frame, in_two, read_parts


def filename_of(*parameters: bytes) -> str | None:
    """The file name of a part with these parameters after its `name`."""
    disposition = b"; ".join([b'Content-Disposition: form-data; name="task1_image1"', *parameters])
    body = frame([disposition + b"\r\n\r\n\xff\xd8 photo"])
    [part] = read_parts([body])
    for chunks in (byte_by_byte(body), *in_two(body)):
        assert read_parts(chunks) == [part]
    assert part == Part("task1_image1", b"\xff\xd8 photo", part.filename)
    return part.filename


def test_drops_the_folders_internet_explorer_sends() -> None:
    assert filename_of(rb'filename="C:\Users\x\page.jpg"') == "page.jpg"


def test_takes_a_path_of_windows_in_which_nearly_everything_is_odd() -> None:
    assert filename_of(rb'filename="D:\nested; name=exam_id\"quoted\"\r.jpg"') is not None


def test_takes_a_name_that_ends_in_a_backslash() -> None:
    assert filename_of(b'filename="page\\"') == "page\\"


def test_reads_quotes_escaped_with_a_backslash_as_older_firefox_does() -> None:
    assert filename_of(rb'filename="my \"page\".jpg"') == 'my "page".jpg'


def test_reads_quotes_escaped_with_percent_as_browsers_do() -> None:
    assert filename_of(b'filename="my %22page%22.jpg"') == 'my "page".jpg'


def test_leaves_any_other_percent_alone() -> None:
    assert filename_of(b'filename="100%25 me%2e.jpg"') == "100%25 me%2e.jpg"


def test_reads_raw_utf8() -> None:
    assert filename_of('filename="o\u02bbzbekcha бет.jpg"'.encode()) == "o\u02bbzbekcha бет.jpg"


@pytest.mark.parametrize("charset", ["latin-1", "cp1251", "shift-jis"])
def test_takes_a_file_whose_name_is_in_an_old_charset(charset: str) -> None:
    name = {"latin-1": "é.jpg", "cp1251": "бет.jpg", "shift-jis": "表示.jpg"}[charset]
    assert (filename_of(b'filename="%b"' % name.encode(charset)) or "").endswith(".jpg")


def test_never_takes_a_field_whose_own_name_is_in_an_old_charset() -> None:
    with pytest.raises(MalformedBody):
        read_parts([frame([b'Content-Disposition: form-data; name="\xe9"; filename="a.jpg"\r\n\r\nx'])])


def test_a_semicolon_inside_the_quotes_ends_no_parameter() -> None:
    assert filename_of(b'filename="a; name=exam_id; filename=b.jpg"') == "a; name=exam_id; filename=b.jpg"


def test_an_extended_name_alone_says_that_it_is_a_file() -> None:
    assert filename_of(b"filename*=UTF-8''%D0%B1%D0%B5%D1%82.jpg") == "бет.jpg"
    assert filename_of(b"FileName* = utf-8'uz'page.jpg") == "page.jpg"
    assert filename_of(b"filename*=\"UTF-8''page.jpg\"") is not None


def test_an_extended_name_that_is_broken_still_says_that_it_is_a_file() -> None:
    assert filename_of(b"filename*=page.jpg") == "page.jpg"
    assert filename_of(b"filename*=none''%ff%zz.jpg") == "\ufffd%zz.jpg"


def test_the_plain_name_counts_beside_an_extended_one() -> None:
    assert filename_of(b'filename="plain.jpg"', b"filename*=UTF-8''extended.jpg") == "plain.jpg"
    assert filename_of(b"filename*=UTF-8''extended.jpg", b'filename="plain.jpg"') == "plain.jpg"


def test_a_name_that_needs_quotes_and_has_none_still_says_that_it_is_a_file() -> None:
    assert filename_of("filename=бет 1.jpg".encode()) == "бет 1.jpg"
    assert filename_of(b"filename=") == ""
    assert filename_of(b"filename=page 1.jpg") is not None


def test_quotes_left_as_they_are_still_say_that_it_is_a_file() -> None:
    assert filename_of(b'filename="my "page".jpg"') is not None
    assert filename_of(b'filename=""page".jpg"') is not None
    assert filename_of(b'filename="page\\"', b"x=y") is not None


def test_an_extended_name_inside_of_quotes_is_none() -> None:
    assert filename_of(b"x=\"; filename*=UTF-8''page.jpg\"") is None


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "CON", ".", "a\x00b", "%0D%0AX: y", "x" * 400]
)
def test_takes_names_that_would_be_dangerous_on_a_disk(name: str) -> None:
    assert filename_of(f'filename="{name}"'.encode())
