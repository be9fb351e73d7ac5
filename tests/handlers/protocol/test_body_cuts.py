"""A body is cut so that no piece lets the parser look past the place where its verdict may turn."""

from __future__ import annotations

import pytest

from handlers.protocol.body_cuts import BodyCuts, Content
from storage.domain.errors import MalformedBody
from tests.forms import byte_by_byte, in_two

DELIMITER = b"\r\n--b"
BODY = (
    b"--b\r\nName: x\r\nOther: y\r\n\r\ncontent\r\n--b\r\nName: z\r\n\r\n-\r\n--b--epilogue\r\n--b\r\n"
    + b"x" * 50
)


def pieces_of(chunks: list[bytes], *stops: int, header_bytes: int = 20) -> list[bytes]:
    cuts = BodyCuts(b"b", header_bytes)
    pieces = []
    opening = 0
    while sum(map(len, chunks[: opening + 1])) < len(b"--b"):  # the first chunk has the whole first boundary
        opening += 1
    for chunk in [b"".join(chunks[: opening + 1]), *chunks[opening + 1 :]]:
        for piece in cuts.pieces(chunk):
            pieces.append(bytes(piece.data))
            if b"".join(pieces).endswith(b"\r\n\r\n"):  # true in these bodies at the end of headers only
                cuts.content_begins(*stops)
    return pieces


def test_a_piece_is_a_delimiter_its_end_a_header_line_or_content() -> None:
    first = [b"--b", b"\r\n", b"Name: x\r\n", b"Other: y\r\n", b"\r\n", b"content", DELIMITER, b"\r\n"]
    assert pieces_of([BODY]) == [*first, b"Name: z\r\n", b"\r\n", b"-", DELIMITER, b"--"]


def test_content_is_a_view_of_its_chunk() -> None:
    cuts = BodyCuts(b"b", 20)
    for piece in cuts.pieces(BODY):
        if isinstance(piece, Content):
            assert piece.data.obj is BODY
            break
        if piece.data == b"\r\n":
            cuts.content_begins()


def test_content_is_cut_where_it_was_asked_for() -> None:
    pieces = pieces_of([BODY], 5, 0, 3, 100)
    assert pieces[5:10] == [b"con", b"te", b"nt", DELIMITER, b"\r\n"]
    assert pieces[-3:] == [b"-", DELIMITER, b"--"]


def test_however_a_body_is_cut_pieces_end_where_they_end_in_the_whole() -> None:
    for stops in ((), (1,), (3, 5)):
        whole = ends(pieces_of([BODY], *stops))
        for chunks in (byte_by_byte(BODY), *in_two(BODY)):
            pieces = pieces_of(chunks, *stops)
            assert b"".join(pieces) == BODY[: max(whole)]
            assert whole <= ends(pieces)


def test_nothing_after_the_closing_delimiter_is_looked_at() -> None:
    for chunks in ([BODY], byte_by_byte(BODY)):
        assert b"".join(pieces_of(chunks)).endswith(DELIMITER + b"--")


def test_refuses_a_header_line_as_soon_as_it_is_too_long() -> None:
    for line, header_bytes in ((b"Name: x\r\n", 6), (b"Name: xyz", 7)):
        for chunks in ([b"--b\r\n" + line], byte_by_byte(b"--b\r\n" + line)):
            with pytest.raises(MalformedBody):
                pieces_of(chunks, header_bytes=header_bytes)


def test_takes_a_header_line_of_exactly_the_limit() -> None:
    body = b"--b\r\nName: x\r\nName: y\r\n\r\n"
    for chunks in ([body], byte_by_byte(body), *in_two(body)):
        assert b"".join(pieces_of(chunks, header_bytes=7)) == body


def ends(pieces: list[bytes]) -> set[int]:
    total = 0
    places = set()
    for piece in pieces:
        total += len(piece)
        places.add(total)
    return places
