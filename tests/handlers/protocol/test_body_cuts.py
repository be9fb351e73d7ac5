"""A body is cut so that the parser sees the head of each part whole, and contents are not copied."""

from __future__ import annotations

import pytest

from handlers.protocol.body_cuts import BodyCuts, Content, Head
from storage.domain.errors import MalformedBody
from tests.forms import byte_by_byte, in_two

FIRST = b"--b\r\nName: x\r\nOther: y\r\n\r\n"
SECOND = b"\r\n--b\r\nName: z\r\n\r\n"
CLOSING = b"\r\n--b--"
BODY = FIRST + b"content" + SECOND + b"-" + CLOSING + b"epilogue\r\n--b\r\n" + b"x" * 50


def pieces_of(
    chunks: list[bytes], *stops: int, header_bytes: int = 20, headers: int = 3
) -> list[Content | Head]:
    cuts = BodyCuts(b"b", header_bytes, headers)
    pieces = []
    opening = 0
    while sum(map(len, chunks[: opening + 1])) < len(b"--b"):  # the first chunk has the whole first boundary
        opening += 1
    for chunk in [b"".join(chunks[: opening + 1]), *chunks[opening + 1 :]]:
        for piece in cuts.pieces(chunk):
            pieces.append(piece)
            if isinstance(piece, Head) and piece.data.endswith(b"\r\n\r\n"):
                cuts.content_begins(*stops)
    return pieces


def joined(pieces: list[Content | Head]) -> list[bytes]:
    """Heads as they are, contents put together."""
    found = [b""]
    for piece in pieces:
        if isinstance(piece, Head):
            found += [piece.data, b""]
        else:
            found[-1] += piece.data
    return found


def test_a_piece_is_a_head_or_content() -> None:
    assert [bytes(piece.data) for piece in pieces_of([BODY])] == [FIRST, b"content", SECOND, b"-", CLOSING]


def test_content_is_a_view_of_its_chunk() -> None:
    contents = [piece.data for piece in pieces_of([BODY]) if isinstance(piece, Content)]
    assert all(data.obj is BODY for data in contents)


def test_content_is_cut_where_it_was_asked_for() -> None:
    pieces = [bytes(piece.data) for piece in pieces_of([BODY], 5, 0, 3, 100)]
    assert pieces == [FIRST, b"con", b"te", b"nt", SECOND, b"-", CLOSING]


def test_however_a_body_is_cut_heads_come_whole_and_contents_complete() -> None:
    for stops in ((), (1,), (3, 5)):
        whole = joined(pieces_of([BODY], *stops))
        assert whole == [b"", FIRST, b"content", SECOND, b"-", CLOSING, b""]
        for chunks in (byte_by_byte(BODY), *in_two(BODY)):
            assert joined(pieces_of(chunks, *stops)) == whole


@pytest.mark.parametrize("content", [b"\r", b"\r\n", b"\r\n-", b"\r\n--", b"\r\n--B", b"\r\r\n--", b"--b"])
def test_what_only_looks_like_a_delimiter_is_content(content: bytes) -> None:
    body = FIRST + content + CLOSING
    for chunks in ([body], byte_by_byte(body), *in_two(body)):
        assert joined(pieces_of(chunks)) == [b"", FIRST, content, CLOSING, b""]


def test_nothing_after_the_closing_delimiter_is_looked_at() -> None:
    for chunks in ([BODY], byte_by_byte(BODY)):
        assert pieces_of(chunks)[-1] == Head(CLOSING)


def test_refuses_a_header_line_as_soon_as_it_is_too_long() -> None:
    for line, header_bytes in ((b"Name: x\r\n", 6), (b"Name: xyz", 7)):
        for chunks in ([b"--b\r\n" + line], byte_by_byte(b"--b\r\n" + line)):
            with pytest.raises(MalformedBody):
                pieces_of(chunks, header_bytes=header_bytes)


def test_takes_a_header_line_of_exactly_the_limit() -> None:
    body = b"--b\r\nName: x\r\nName: y\r\n\r\n"
    for chunks in ([body], byte_by_byte(body), *in_two(body)):
        assert joined(pieces_of(chunks, header_bytes=7)) == [b"", body, b""]


@pytest.mark.parametrize(
    "head", [b"\nName: x\r\n\r\n", b"Name:\n x\r\n\r\n", b"Name: x\n\r\n", b"Name: x\n\n"]
)
def test_refuses_a_bare_line_feed_in_a_head(head: bytes) -> None:
    for chunks in ([b"--b\r\n" + head], byte_by_byte(b"--b\r\n" + head)):
        with pytest.raises(MalformedBody):
            pieces_of(chunks)


def test_refuses_a_head_without_an_end() -> None:
    endless = b"--b\r\n" + b"N: x\r\n" * 1000
    for chunks in ([endless], byte_by_byte(endless)):
        with pytest.raises(MalformedBody):
            pieces_of(chunks)


def test_what_follows_a_delimiter_wrongly_is_for_the_parser_to_refuse() -> None:
    assert next(BodyCuts(b"b", 20, 3).pieces(b"--bX\r\n\r\n")) == Head(b"--bX\r")
