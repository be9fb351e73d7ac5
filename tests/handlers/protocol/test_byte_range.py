"""Ranges of one file against a plain slice of its bytes (RFC 9110, section 14)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.protocol.byte_range import ByteRange, read_range
from storage.domain.errors import RangeNotSatisfiable

ETAG = '"5d41402a"'
positions = st.none() | st.integers(0, 70) | st.just(10**18 - 1)


def sliced(content: bytes, first: int | None, last: int | None) -> bytes | None:
    """What a range of `content` holds; b"" if nothing, None if it is not a range at all."""
    if first is None:
        return None if last is None else content[max(0, len(content) - last) :]
    if last is None:
        return content[first:]
    return None if last < first else content[first : last + 1]


@settings(deadline=None, max_examples=500)
@given(st.integers(0, 60), positions, positions)
def test_every_range_is_the_slice_it_names(size_bytes: int, first: int | None, last: int | None) -> None:
    content = bytes(range(size_bytes))
    header = f"bytes={'' if first is None else first}-{'' if last is None else last}"
    expected = sliced(content, first, last)
    if expected == b"":
        with pytest.raises(RangeNotSatisfiable) as refused:
            read_range(header, None, ETAG, size_bytes)
        assert refused.value.size_bytes == size_bytes
        return
    given_range = read_range(header, None, ETAG, size_bytes)
    if expected is None:
        assert given_range is None
        return
    assert given_range is not None
    assert content[given_range.first : given_range.last + 1] == expected
    assert given_range.length == len(expected)
    assert given_range.content_range == f"bytes {expected[0]}-{expected[-1]}/{size_bytes}"


@pytest.mark.parametrize(
    ("header", "content_range"),
    [
        ("bytes=0-499", "bytes 0-499/10000"),
        ("bytes=500-999", "bytes 500-999/10000"),
        ("bytes=-500", "bytes 9500-9999/10000"),
        ("bytes=9500-", "bytes 9500-9999/10000"),
        ("bytes=9500-99999", "bytes 9500-9999/10000"),
        ("bytes=-99999", "bytes 0-9999/10000"),
        ("bytes=0-", "bytes 0-9999/10000"),
        ("bytes=0-0", "bytes 0-0/10000"),
        ("Bytes=0-0", "bytes 0-0/10000"),
        ("bytes=007-009", "bytes 7-9/10000"),
    ],
)
def test_reads_the_examples_of_the_standard(header: str, content_range: str) -> None:
    found = read_range(header, None, ETAG, 10_000)
    assert found is not None
    assert found.content_range == content_range


@pytest.mark.parametrize("header", ["bytes=10000-", "bytes=10000-10001", "bytes=-0"])
def test_refuses_a_range_outside_the_file(header: str) -> None:
    with pytest.raises(RangeNotSatisfiable) as refused:
        read_range(header, None, ETAG, 10_000)
    assert refused.value.size_bytes == 10_000


@pytest.mark.parametrize("header", ["bytes=0-", "bytes=0-0", "bytes=-1"])
def test_an_empty_file_satisfies_no_range(header: str) -> None:
    with pytest.raises(RangeNotSatisfiable):
        read_range(header, None, ETAG, 0)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=5-2",
        "bytes=a-b",
        "bytes=0x0-0x5",
        "bytes=+0-5",
        "bytes=0--5",
        "bytes=0-5-7",
        "bytes=1.0-2.0",
        "bytes=0-1,3-4",
        "bytes=0-1,",
        "bytes:0-5",
        "items=0-5",
        "0-5",
        "bytes=٠-٥",
    ],
)
def test_what_is_not_one_range_asks_for_the_whole_file(header: str | None) -> None:
    assert read_range(header, None, ETAG, 10_000) is None


def test_if_range_of_this_version_gives_the_range() -> None:
    assert read_range("bytes=0-4", ETAG, ETAG, 10) == ByteRange(0, 4, 10)


@pytest.mark.parametrize(
    "if_range",
    ['"another"', f"W/{ETAG}", "", "*", "5d41402a", "Wed, 08 Oct 2025 12:30:45 GMT", f"{ETAG}, {ETAG}"],
)
@pytest.mark.parametrize("header", ["bytes=0-4", "bytes=99-"])
def test_if_range_of_another_version_gives_the_whole_file(header: str, if_range: str) -> None:
    assert read_range(header, if_range, ETAG, 10) is None


def test_if_range_without_a_range_gives_the_whole_file() -> None:
    assert read_range(None, ETAG, ETAG, 10) is None
