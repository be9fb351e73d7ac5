"""A body that is not a whole multipart form is refused, at every offset and in every chunking."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.protocol.multipart_stream import MultipartStream, StreamLimits
from storage.domain.errors import MalformedBody, NotMultipart
from tests.forms import (
    BOUNDARY,
    STREAM_LIMITS,
    Part,
    byte_by_byte,
    chunkings,
    content_type,
    encode,
    frame,
    in_two,
    read_parts,
)

DELIMITER = b"--" + BOUNDARY.encode()
FORM = [Part("exam_id", b"456"), Part("task1_image1", b"\xff\xd8\r\n photo", "page.jpg")]
BODY = encode(FORM)
_FIELD = b'Content-Disposition: form-data; name="a"'

_PIECES = [
    DELIMITER,
    DELIMITER[:-3],
    b"--",
    b"\r\n",
    b"\r",
    b"\n",
    b"\r\n" + DELIMITER + b"\r\n",
    b"\r\n\r\n",
    _FIELD,
    b'Content-Disposition: form-data; filename="',
    b"Content-Length: 2",
    b": ",
    b" \t",
    b"\xff",
    b"value",
]


def refuse_however_cut(body: bytes, limits: StreamLimits = STREAM_LIMITS) -> None:
    for chunks in ([body], byte_by_byte(body), *in_two(body)):
        with pytest.raises(MalformedBody):
            read_parts(chunks, limits=limits)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "application/json",
        "application/x-www-form-urlencoded",
        "multipart/mixed; boundary=x",
        "multipart/form-data-like; boundary=x",
        "multipart; boundary=x",
        "image/jpeg",
    ],
)
def test_refuses_another_content_type_in_the_words_of_the_api_document(header: str) -> None:
    with pytest.raises(NotMultipart) as refused:
        MultipartStream(header, STREAM_LIMITS)
    assert refused.value.shown == "Content-Type multipart/form-data bo'lishi kerak"


@pytest.mark.parametrize(
    "header",
    [
        "multipart/form-data",
        "multipart/form-data;",
        "multipart/form-data; boundary=",
        'multipart/form-data; boundary=""',
        "multipart/form-data; charset=utf-8",
        content_type("b" * 71),
        content_type('"' + "b" * 71 + '"'),
        'multipart/form-data; boundary="ends in a space "',
        'multipart/form-data; boundary="o\'zbek\u02bc"',
        'multipart/form-data; boundary="under{brace}"',
        'multipart/form-data; boundary="tab\tinside"',
    ],
)
def test_refuses_a_boundary_the_standard_does_not_know(header: str) -> None:
    with pytest.raises(MalformedBody):
        MultipartStream(header, STREAM_LIMITS)


def test_never_takes_the_beginning_of_an_unquoted_boundary_for_the_whole() -> None:
    boundary = "----=_Part_4"
    with pytest.raises(MalformedBody):
        read_parts([encode(FORM, boundary)], content_type(boundary))


def test_refuses_a_body_that_ends_too_early_at_every_offset() -> None:
    whole = len(BODY) - len(b"\r\n")
    assert read_parts([BODY[:whole]]) == FORM
    for end in range(whole):
        for chunks in ([BODY[:end]] if end else [], byte_by_byte(BODY[:end])):
            with pytest.raises(MalformedBody):
                read_parts(chunks)


def test_says_that_the_end_is_missing() -> None:
    stream = MultipartStream(content_type(), STREAM_LIMITS)
    list(stream.feed(BODY[:-4]))
    with pytest.raises(MalformedBody) as refused:
        stream.close()
    assert refused.value.shown == (
        "Ma'lumotlar noto'g'ri formatda yuborilgan: the body ends before its closing boundary"
    )


def test_refuses_the_boundary_of_another_form() -> None:
    refuse_however_cut(encode(FORM, "another"))


@pytest.mark.parametrize("line_end", [b"\n", b"\r"])
def test_refuses_line_ends_other_than_crlf(line_end: bytes) -> None:
    refuse_however_cut(encode([Part("exam_id", b"456")]).replace(b"\r\n", line_end))


@pytest.mark.parametrize(
    "head",
    [
        _FIELD + b"\nContent-Type: text/plain\r\n\r\n",
        _FIELD + b'\n; filename="page.jpg"\r\n\r\n',
        _FIELD + b"\n\n",
        _FIELD + b"\r\n\n",
    ],
)
def test_refuses_a_bare_line_feed_among_part_headers(head: bytes) -> None:
    refuse_however_cut(frame([head + b"value"]))


def test_refuses_text_on_the_line_of_the_first_boundary() -> None:
    refuse_however_cut(b"x" * (len(DELIMITER) + 2) + BODY)


def test_refuses_a_preamble_that_goes_on_and_on() -> None:
    refuse_however_cut(b"preamble\r\n" * 400 + BODY)


@pytest.mark.parametrize("junk", [b"x\r\n", b" \r\n", b"-\r\n", b"\n\r\n", b"0--"])
def test_refuses_bytes_after_a_boundary(junk: bytes) -> None:
    refuse_however_cut(DELIMITER + junk + _FIELD + b"\r\n\r\nvalue\r\n" + DELIMITER + b"--\r\n")
    refuse_however_cut(DELIMITER + b"\r\n" + _FIELD + b"\r\n\r\nvalue\r\n" + DELIMITER + junk)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"Content-Type: text/plain\r\n",
        b"Content-Disposition: form-data\r\n",
        b'Content-Disposition: form-data; name=""\r\n',
        b'Content-Disposition: form-data; filename="page.jpg"\r\n',
        b'Content-Disposition: attachment; name="a"\r\n',
        b"Content-Disposition\r\n",
        b'Content Disposition: form-data; name="a"\r\n',
        b' Content-Disposition: form-data; name="a"\r\n',
        b'Content-Disposition: form-data; name="\xff\xfe"\r\n',
        _FIELD + b"\r\nContent-Length: 4\r\n",
        _FIELD + b"\r\nContent-Length: 6\r\n",
        _FIELD + b"\r\nContent-Length: many\r\n",
        _FIELD + b"\r\n" + b"X-Header: x\r\n" * 8,
    ],
)
def test_refuses_part_headers_that_name_no_field(head: bytes) -> None:
    refuse_however_cut(frame([head + b"\r\nvalue"]))


def test_shows_no_inner_error_for_a_name_that_is_not_text() -> None:
    with pytest.raises(MalformedBody) as refused:
        read_parts([frame([b'Content-Disposition: form-data; name="\xff\xfe"\r\n\r\nvalue'])])
    assert "Error" not in refused.value.shown
    assert "\\x" not in refused.value.shown


def test_refuses_one_part_more_than_allowed() -> None:
    limits = StreamLimits(parts=3, header_bytes=512)
    refuse_however_cut(encode([Part(f"field{number}", b"") for number in range(4)]), limits)


def test_refuses_a_part_header_longer_than_allowed() -> None:
    header = b'Content-Disposition: form-data; name="a"; x="%b"' % (b"y" * 75)
    limits = StreamLimits(parts=3, header_bytes=len(header) - 1)
    refuse_however_cut(frame([header + b"\r\n\r\nvalue"]), limits)


def test_refuses_an_endless_part_header_before_it_ends() -> None:
    stream = MultipartStream(content_type(), STREAM_LIMITS)
    list(stream.feed(DELIMITER + b"\r\n"))
    with pytest.raises(MalformedBody):
        for _ in range(STREAM_LIMITS.header_bytes + 2):
            list(stream.feed(b"x"))


def test_refuses_a_folded_part_header_longer_than_allowed() -> None:
    refuse_however_cut(frame([_FIELD + b"\r\n x" * STREAM_LIMITS.header_bytes + b"\r\n\r\nvalue"]))


@settings(deadline=None, max_examples=400)
@given(st.data(), st.lists(st.sampled_from(_PIECES), max_size=14).map(b"".join))
def test_whatever_the_bytes_they_are_read_or_refused_in_words(data: st.DataObject, body: bytes) -> None:
    with contextlib.suppress(MalformedBody):
        read_parts(data.draw(chunkings(body)))
    with contextlib.suppress(MalformedBody):
        read_parts(data.draw(chunkings(DELIMITER + b"\r\n" + body)))
