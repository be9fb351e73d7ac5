"""Bodies that are odd, each as some client or standard has it: what is taken, and what is refused and why."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from handlers.protocol.multipart_stream import StreamLimits
from handlers.protocol.writing_form import WritingPlan
from storage.domain.errors import InvalidForm, MalformedBody, MissingFields, TooLarge
from tests.forms import (
    BOUNDARY,
    Part,
    ReceivedFile,
    byte_by_byte,
    content_type,
    cut,
    empty_input,
    encode,
    file,
    frame,
    in_two,
    part_bytes,
    read_parts,
    receive_chunks,
    text,
)
from tests.handlers.protocol.verdicts import Refused, judge

DELIMITER = b"--" + BOUNDARY.encode()
FIELD = b'Content-Disposition: form-data; name="a"'
FORM = [text("user_test_id", 123), text("exam_id", 456), file("task1_image1"), file("task2_image1")]


def all_ways(body: bytes) -> Iterable[list[bytes]]:
    return ([body], byte_by_byte(body), *in_two(body))


def read(body: bytes) -> list[Part]:
    """The parts of `body`, the same in every chunking."""
    parts = read_parts([body])
    for chunks in all_ways(body):
        assert read_parts(chunks) == parts
    return parts


def refuse(body: bytes, because: str) -> None:
    for chunks in all_ways(body):
        with pytest.raises(MalformedBody) as refused:
            read_parts(chunks)
        assert because in refused.value.shown


# Headers of a part


@pytest.mark.parametrize(
    "extra",
    [
        b"Content-Transfer-Encoding: binary",
        b"Content-Type: text/plain; charset=utf-8; format=flowed",
        b'Content-Type: image/jpeg; name="C:\\page.jpg"',
        b"Content-Length: 5",
        b"X-Unknown:",
        b"MIME-Version: 1.0\r\n (folded,\r\n\t twice)",
    ],
)
def test_takes_other_headers_of_a_part_and_reads_none(extra: bytes) -> None:
    assert read(frame([FIELD + b"\r\n" + extra + b"\r\n\r\nvalue"])) == [Part("a", b"value")]
    assert read(frame([extra + b"\r\n" + FIELD + b"\r\n\r\nvalue"])) == [Part("a", b"value")]


def test_reads_header_names_in_any_case() -> None:
    assert read(frame([b'cOnTeNt-DiSpOsItIoN: FORM-data; NAME="a"\r\n\r\nvalue'])) == [Part("a", b"value")]


def test_reads_a_name_without_quotes() -> None:
    assert read(frame([b"Content-Disposition: form-data; name=exam_id\r\n\r\n4"])) == [Part("exam_id", b"4")]


def test_reads_brackets_in_a_name() -> None:
    quoted = b'Content-Disposition: form-data; name="answers[0][question]"\r\n\r\n1'
    assert read(frame([quoted])) == [Part("answers[0][question]", b"1")]


@pytest.mark.parametrize("name", [b"task1_image1[0]", b"a b", "oʻzbek".encode()])
def test_never_takes_the_beginning_of_a_name_without_quotes_for_the_whole(name: bytes) -> None:
    refuse(frame([b"Content-Disposition: form-data; name=" + name + b"\r\n\r\n1"]), "needs quotes")


def test_a_list_name_of_php_is_no_field_of_ours() -> None:
    verdict = judge(WritingPlan(), [encode([file("task1_image1[]"), *FORM])])
    details = {"task1_image1[]": ["This file field is unknown."]}
    assert verdict.outcome == Refused(InvalidForm, "invalid_form", details)


def test_reads_headers_folded_over_lines() -> None:
    folded = b'Content-Disposition: form-data;\r\n name="a";\r\n\tfilename="page.jpg"\r\n\r\nphoto'
    assert read(frame([folded])) == [Part("a", b"photo", "page.jpg")]


def test_refuses_a_part_without_a_content_disposition() -> None:
    refuse(frame([b"Content-Type: text/plain\r\n\r\nvalue"]), "Content-Disposition")
    refuse(frame([b"\r\nvalue"]), "Content-Disposition")


def test_refuses_a_part_with_two_content_dispositions_because_readers_differ_on_which_counts() -> None:
    second = b'Content-Disposition: form-data; name="b"'
    refuse(frame([FIELD + b"\r\n" + second + b"\r\n\r\nvalue"]), "two Content-Disposition")
    refuse(frame([FIELD + b"\r\n" + FIELD + b"\r\n\r\nvalue"]), "two Content-Disposition")


@pytest.mark.parametrize("place", [b"", FIELD + b"\r\n", FIELD + b"\r\nContent-Type: text/plain\r\n"])
def test_refuses_a_bare_line_feed_before_a_header(place: bytes) -> None:
    refuse(frame([place + b"\n" + b"X-A: b\r\n" + FIELD + b"\r\n\r\nvalue"]), "line feed")


def test_counts_the_padding_of_a_header_line_against_its_limit() -> None:
    limits = StreamLimits(parts=3, header_bytes=100)
    for padding in (97, 98):
        body = frame([FIELD + b"\r\nX:" + b" " * padding + b"y\r\n\r\nvalue"])
        for chunks in all_ways(body):
            if padding == 97:
                assert read_parts(chunks, limits=limits) == [Part("a", b"value")]
            else:
                with pytest.raises(MalformedBody):
                    read_parts(chunks, limits=limits)


@pytest.mark.parametrize("content", [b"abc", b"\r\n--abc", b"\r\rabc"])
def test_a_part_longer_than_it_says_gives_the_same_refusal_in_every_chunking(content: bytes) -> None:
    unknown = b'Content-Disposition: form-data; name="photo"; filename=""\r\nContent-Length: 2\r\n\r\n'
    body = frame([unknown + content])
    verdict = judge(WritingPlan(), [body])
    assert isinstance(verdict.outcome, Refused)
    for chunks in all_ways(body):
        assert judge(WritingPlan(), chunks) == verdict


# Delimiters


def test_takes_a_preamble_and_an_epilogue_as_mail_has_them() -> None:
    body = (
        b"This is a multi-part message in MIME format.\r\n\r\n"
        + encode(FORM)
        + b"Bye\r\n"
        + DELIMITER
        + b"\r\n"
    )
    assert read(body) == FORM


def test_takes_an_epilogue_of_any_shape() -> None:
    epilogue = DELIMITER + b"\r\nX" * 5000
    for chunks in ([encode(FORM) + epilogue], cut(encode(FORM) + epilogue, range(0, 20_000, 7))):
        assert read_parts(chunks) == FORM


def test_refuses_line_feeds_for_line_ends_as_busboy_does() -> None:
    """No browser or phone sends them, and content with a line feed before something like the boundary would be
    cut: RFC 2046 wants CRLF. werkzeug takes them; Django reads no field then, and says nothing."""
    for body in (
        encode(FORM).replace(b"\r\n", b"\n"),
        encode(FORM).replace(DELIMITER + b"\r\n", DELIMITER + b"\n"),
    ):
        for chunks in ([body], byte_by_byte(body)):
            with pytest.raises(MalformedBody):
                read_parts(chunks)


def test_takes_the_boundary_inside_of_a_line_for_content() -> None:
    content = b"x" + DELIMITER + b"\r\nx" + DELIMITER + b"--\r\n" + b"\n" + DELIMITER + b"\r\n\r" + DELIMITER
    assert read(encode([Part("a", content)])) == [Part("a", content)]


def test_refuses_a_line_that_only_begins_with_the_boundary() -> None:
    """RFC 2046, 5.1.1: the boundary must not begin any line of the content."""
    refuse(encode([Part("a", b"x\r\n" + DELIMITER + b"2\r\nx")]), "after boundary")
    refuse(DELIMITER + b"2\r\n" + encode(FORM), "first boundary")


def test_takes_a_boundary_that_begins_with_another_ones_characters() -> None:
    """As a form inside a form has them; here the outer one is the longer."""
    outer = BOUNDARY + "2"
    content = encode([Part("inner", b"x")])
    body = encode([Part("a", content)], outer)
    for chunks in all_ways(body):
        assert read_parts(chunks, content_type(outer)) == [Part("a", content)]


def test_takes_a_body_without_the_last_line_end() -> None:
    assert read(encode(FORM).removesuffix(b"\r\n")) == FORM


def test_refuses_a_body_without_its_closing_boundary() -> None:
    refuse(encode(FORM).removesuffix(b"--\r\n"), "closing boundary")
    refuse(encode(FORM).removesuffix(DELIMITER + b"--\r\n"), "closing boundary")


def test_refuses_a_body_of_nothing() -> None:
    with pytest.raises(MalformedBody):
        read_parts([])


def test_a_body_of_the_closing_boundary_alone_is_a_form_without_fields() -> None:
    for end in (b"", b"\r\n", b"--"):
        body = DELIMITER + b"--" + end
        assert read(body) == []
        outcome = judge(WritingPlan(), [body]).outcome
        assert isinstance(outcome, Refused)
        assert (outcome.kind, len(outcome.details)) == (MissingFields, 4)


@pytest.mark.parametrize("padding", [b" ", b"\t", b"  \t"])
def test_refuses_padding_after_a_boundary(padding: bytes) -> None:
    """RFC 2046 lets mail relays add it and forbids anyone to write it; there is no relay in HTTP."""
    refuse(DELIMITER + padding + b"\r\n" + FIELD + b"\r\n\r\nx\r\n" + DELIMITER + b"--", "boundary")
    refuse(DELIMITER + b"\r\n" + FIELD + b"\r\n\r\nx\r\n" + DELIMITER + padding + b"--", "boundary")


def test_never_takes_the_part_after_one_without_content_for_its_content() -> None:
    """RFC 2046 lets a part end with its headers; no form is written so, and it must not swallow a photo."""
    refuse(frame([FIELD + b"\r\n", part_bytes(file("task1_image1"))]), "where its content should begin")
    refuse(frame([FIELD + b"\r\n"]), "where its content should begin")


# Parts


def test_empty_inputs_count_as_not_sent_wherever_they_stand() -> None:
    form = [empty_input("task1_image9"), *FORM, empty_input("task2_image9"), empty_input("unknown")]
    received = receive_chunks(WritingPlan(), byte_by_byte(encode(form)))
    assert received == receive_chunks(WritingPlan(), [encode(FORM)])


def test_a_file_with_an_extended_name_beside_an_empty_one_is_kept() -> None:
    raw = b'Content-Disposition: form-data; name="task2_image1"; filename=""; filename*=UTF-8\'\'p.jpg\r\n\r\nphoto'
    body = frame([*map(part_bytes, FORM[:3]), raw])
    received = receive_chunks(WritingPlan(), byte_by_byte(body))
    assert ReceivedFile("task2_image1", received.files[0].kind, b"photo") in received.files


def test_a_part_of_parts_is_no_file() -> None:
    """RFC 2388 had several files of one field so; RFC 7578, 4.3, has ended it."""
    inner = b"--i\r\nContent-Disposition: file; filename=page.jpg\r\n\r\nphoto\r\n--i--"
    head = b'Content-Disposition: form-data; name="%b"\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n'
    for name, kind in ((b"task1_image2", InvalidForm), (b"photos", TooLarge)):
        body = frame([*map(part_bytes, FORM), head % name + inner])
        outcome = judge(WritingPlan(), [body]).outcome
        assert isinstance(outcome, Refused)
        assert (outcome.kind, list(outcome.details)) == (kind, [name.decode()])
        assert judge(WritingPlan(), byte_by_byte(body)).outcome == outcome


def test_says_what_is_wrong_with_a_field_before_what_is_wrong_with_its_content_whatever_the_chunks() -> None:
    """Found by the fuzzer: a file's head that lost its end makes a text of it, and its content is a boundary."""
    body = frame([b'Content-Disposition: form-data; name="task1_image1"\r\n\r\n--' + BOUNDARY.encode()])
    whole = judge(WritingPlan(), [body]).outcome
    assert isinstance(whole, Refused)
    assert (whole.code, list(whole.details)) == ("invalid_form", ["task1_image1"])
    for chunks in (byte_by_byte(body), *in_two(body)):
        assert judge(WritingPlan(), chunks).outcome == whole
