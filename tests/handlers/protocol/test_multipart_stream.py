"""A multipart body gives the same parts however it is cut, and in every dialect real clients speak."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.protocol.multipart_stream import StreamLimits
from tests.forms import (
    BOUNDARY,
    Part,
    byte_by_byte,
    chunkings,
    content_type,
    contents,
    cut,
    encode,
    frame,
    in_two,
    read_parts,
)

FORM = [
    Part("user_test_id", b"123"),
    Part("exam_id", b""),
    Part("task1_image1", b"\xff\xd8\r\n\r\n--" + BOUNDARY[:-1].encode() + b"\r\n\r", "page 1.jpg"),
    Part("task2_image1", b"", ""),
]
BODY = encode(FORM)

names = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters='"\\%'), min_size=1)
filenames = st.none() | st.just("") | names.map(lambda name: f"a{name}")
parts = st.builds(Part, names, contents, filenames)
preambles = st.one_of(
    st.just(b""),
    st.lists(st.sampled_from([b"text", b"", b"-", b"--", b"\r", b"\n"]), max_size=4).map(
        lambda lines: b"".join(line + b"\r\n" for line in lines)
    ),
)
epilogues = st.sampled_from([b"", b"\r", b"\r\n", b"\r\nThe end", b"\r\n--" + BOUNDARY.encode() + b"\r\n"])


@settings(deadline=None, max_examples=300)
@given(st.data(), st.lists(parts, max_size=4), preambles, epilogues)
def test_every_chunking_gives_the_parts_that_were_sent(
    data: st.DataObject, sent: list[Part], preamble: bytes, epilogue: bytes
) -> None:
    body = preamble + encode(sent).removesuffix(b"\r\n") + epilogue
    assert read_parts([body]) == sent
    assert read_parts(data.draw(chunkings(body))) == sent


def test_gives_the_same_parts_whichever_byte_a_chunk_ends_at() -> None:
    assert read_parts([BODY]) == FORM
    for chunks in in_two(BODY):
        assert read_parts(chunks) == FORM


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, len(BOUNDARY), len(BOUNDARY) + 4])
def test_gives_the_same_parts_in_chunks_of_one_size(size: int) -> None:
    assert read_parts(cut(BODY, range(0, len(BODY), size))) == FORM


def test_takes_the_last_line_end_in_a_chunk_of_its_own() -> None:
    assert read_parts([BODY[:-2], b"\r\n"]) == FORM
    assert read_parts([BODY[:-2], b"\r", b"\n"]) == FORM


def test_takes_a_body_without_a_last_line_end() -> None:
    assert read_parts([BODY[:-2]]) == FORM


def test_drops_a_preamble() -> None:
    body = b"This is a message of several parts.\r\n\r\n" + BODY
    for chunks in ([body], byte_by_byte(body), *in_two(body)):
        assert read_parts(chunks) == FORM


def test_drops_an_epilogue_even_one_that_looks_like_a_part() -> None:
    body = BODY + encode([Part("exam_id", b"999")])
    for chunks in ([body], byte_by_byte(body), *in_two(body)):
        assert read_parts(chunks) == FORM


def test_takes_a_form_without_fields() -> None:
    assert read_parts([encode([])]) == []


def test_tells_an_empty_file_input_from_a_text_field() -> None:
    assert read_parts([encode([Part("a", b"", ""), Part("b", b"")])]) == [Part("a", b"", ""), Part("b", b"")]


@pytest.mark.parametrize(
    ("disposition", "name", "filename"),
    [
        ('form-data; name="task1_image1"; filename="photo.jpg"', "task1_image1", "photo.jpg"),
        ("form-data; name=task1_image1; filename=photo.jpg", "task1_image1", "photo.jpg"),
        ('form-data; filename="photo.jpg"; name="task1_image1"', "task1_image1", "photo.jpg"),
        ('FORM-DATA; Name="task1_image1"; FileName="photo.jpg"', "task1_image1", "photo.jpg"),
        ('form-data; name="answers[0][speaking_audio]"; filename=""', "answers[0][speaking_audio]", ""),
        ('form-data; name="a"; filename="C:\\Users\\Aziza\\photo.jpg"', "a", "photo.jpg"),
        ('form-data; name="a"; filename="C:\\My photos; all\\page 1.jpg"', "a", "page 1.jpg"),
        ('form-data; name="a"; filename="\\\\school\\share\\photo.jpg"', "a", "photo.jpg"),
        ('form-data; name="a"; filename="%22mine%22.jpg"', "a", '"mine".jpg'),
        ('form-data; name="a"; filename="\\"mine\\".jpg"', "a", '"mine".jpg'),
        ('form-data; name="a"; filename="javob oʻzbekcha ўзбек.jpg"', "a", "javob oʻzbekcha ўзбек.jpg"),
        ('form-data; name="a"; filename="x.jpg"; filename*=UTF-8\'\'%D1%8E.jpg', "a", "x.jpg"),
        ("form-data; name=a; filename=x.jpg; filename*=utf-8''x.jpg", "a", "x.jpg"),
    ],
)
def test_reads_the_names_that_clients_write(disposition: str, name: str, filename: str) -> None:
    body = frame([f"Content-Disposition: {disposition}\r\n\r\nbytes".encode()])
    for chunks in ([body], byte_by_byte(body)):
        assert read_parts(chunks) == [Part(name, b"bytes", filename)]


@pytest.mark.parametrize(
    "header",
    [
        b'content-disposition: form-data; name="a"',
        b'CONTENT-DISPOSITION:form-data; name="a"',
        b'Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name="a"',
        b'Content-Disposition: form-data;\r\n name="a"',
        b'Content-Disposition: form-data; name="a"\r\nContent-Transfer-Encoding: binary',
    ],
)
def test_reads_part_headers_in_any_case_order_and_folding(header: bytes) -> None:
    body = frame([header + b"\r\n\r\nvalue"])
    for chunks in ([body], byte_by_byte(body)):
        assert read_parts(chunks) == [Part("a", b"value")]


@pytest.mark.parametrize(
    ("header", "boundary"),
    [
        ("multipart/form-data; boundary=x", "x"),
        ("Multipart/Form-Data; Boundary=AbC", "AbC"),
        ("multipart/form-data;boundary=x; charset=utf-8", "x"),
        ("multipart/form-data; charset=utf-8; boundary=x", "x"),
        ('multipart/form-data; boundary="quoted"', "quoted"),
        ('multipart/form-data; boundary="two words"', "two words"),
        ('multipart/form-data; boundary="----=_Part_4_(1):a/b?c,d.\'+e"', "----=_Part_4_(1):a/b?c,d.'+e"),
    ],
)
def test_reads_the_boundary_as_clients_write_it(header: str, boundary: str) -> None:
    body = encode(FORM, boundary)
    for chunks in ([body], byte_by_byte(body)):
        assert read_parts(chunks, header) == FORM


@pytest.mark.parametrize("quoted", [False, True])
def test_takes_the_longest_boundary_of_the_standard(quoted: bool) -> None:
    boundary = "b" * 70
    header = content_type(f'"{boundary}"' if quoted else boundary)
    assert read_parts(byte_by_byte(encode(FORM, boundary)), header) == FORM


def test_takes_as_many_parts_as_allowed() -> None:
    sent = [Part(f"field{number}", b"") for number in range(3)]
    assert read_parts([encode(sent)], limits=StreamLimits(parts=3, header_bytes=512)) == sent


def test_takes_a_part_header_of_exactly_the_limit_in_every_chunking() -> None:
    header = b'Content-Disposition: form-data; name="a"; x="%b"' % (b"y" * 75)
    body = frame([header + b"\r\n\r\nvalue"])
    limits = StreamLimits(parts=3, header_bytes=len(header))
    for chunks in ([body], byte_by_byte(body), *in_two(body)):
        assert read_parts(chunks, limits=limits) == [Part("a", b"value")]
