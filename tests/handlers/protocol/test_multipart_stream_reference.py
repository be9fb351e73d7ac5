"""The stream gives what a slow and obvious reader gives, and a broken body one verdict, whatever the chunks."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.protocol.speaking_form import SpeakingPlan
from handlers.protocol.upload_form import FormPlan
from handlers.protocol.writing_form import WritingPlan
from storage.domain.errors import MalformedBody
from tests.forms import STREAM_LIMITS, Part, byte_by_byte, chunkings, content_type, frame, in_two, read_parts
from tests.handlers.protocol import reference_form
from tests.handlers.protocol.verdicts import judge

_PLANS: list[FormPlan] = [WritingPlan(), SpeakingPlan()]
_TOKEN = "abcXYZ019-_+.'"
_QUOTED = _TOKEN + "()/:=?, "
_NAMES = ["user_test_id", "exam_id", "section_type", "task1_image1", "task2_image3", "part1_audio", "note",
          "answers[0][question]", "answers[0][speaking_audio]", "oʻzbek"]  # fmt: skip
_FILENAMES = [None, "", "page.jpg", "a; b=c.jpg", "бет 1.jpg", "two words", "%22page%22.jpg"]
_HEADERS = [
    b"Content-Disposition: form-data; name={name}{filename}",
    b"content-disposition:form-data; name={name}{filename}\r\nContent-Type: image/jpeg",
    b"Content-Type: text/plain; charset=utf-8\r\nCONTENT-DISPOSITION:  form-data;\r\n name={name}{filename}",
    b"Content-Transfer-Encoding: binary\r\nContent-Disposition: form-data;\r\n\tname={name}{filename}",
    b"X: y\r\nContent-Disposition: form-data; name={name}{filename}\r\nContent-Length: {length}",
]
_BYTES = st.sampled_from(list(b'\r\n-:;="\\ \t\x00\xff')) | st.integers(0, 255)
_INSERTIONS = [
    b"\n",
    b"\r\n",
    b"\r\n\r\n",
    b"Content-Length: 3\r\n",
    b"X:" + b" " * (STREAM_LIMITS.header_bytes - 2) + b"y\r\n",
    b"X: y\r\n" * 4,
    b'Content-Disposition: form-data; name="note"; filename=""\r\n',
]


@dataclass(frozen=True, slots=True)
class Form:
    """A body and how its header says where it is to be split."""

    body: bytes
    boundary: str
    header: str


@st.composite
def boundaries(draw: st.DrawFn) -> tuple[str, str]:
    """A boundary, and how it stands in the header."""
    if draw(st.booleans()):
        boundary = draw(st.text(_TOKEN.replace("'", ""), min_size=1, max_size=70))
        return boundary, draw(st.sampled_from([boundary, f'"{boundary}"', f"{boundary}; charset=utf-8"]))
    boundary = draw(st.text(_QUOTED, max_size=69)) + draw(st.sampled_from(_QUOTED.strip()))
    return boundary, f'"{boundary}"'


def contents(boundary: str) -> st.SearchStrategy[bytes]:
    """Contents made of what delimiters are made of, without being one."""
    dash_boundary = b"--" + boundary.encode()
    shards = [
        *(b"\r", b"\n", b"\r\n", b"-", b"--", b"\x00", b"text"),
        *(before + dash_boundary for before in (b"x", b"\n", b"\r")),
        *(before + dash_boundary[:-1] for before in (b"", b"\r\n")),
        b"\r\n" + dash_boundary[1:],
    ]
    shard = st.one_of(st.sampled_from(shards), st.binary(max_size=6))
    return st.lists(shard, max_size=6).map(
        lambda pieces: _without_delimiters(b"".join(pieces), dash_boundary)
    )


@st.composite
def parts(draw: st.DrawFn, boundary: str) -> bytes:
    content = draw(contents(boundary))
    name, filename = draw(st.sampled_from(_NAMES)), draw(st.sampled_from(_FILENAMES))
    head = draw(st.sampled_from(_HEADERS)).replace(b"{name}", f'"{name}"'.encode())
    head = head.replace(b"{filename}", b"" if filename is None else f'; filename="{filename}"'.encode())
    return head.replace(b"{length}", str(len(content)).encode()) + b"\r\n\r\n" + content


@st.composite
def forms(draw: st.DrawFn, most_parts: int = 5) -> Form:
    boundary, parameter = draw(boundaries())
    body = frame(draw(st.lists(parts(boundary), max_size=most_parts)), boundary).removesuffix(b"\r\n")
    preamble = draw(
        st.lists(contents(boundary), max_size=2).map(lambda lines: b"".join(line + b"\r\n" for line in lines))
    )
    if b"--" + boundary.encode() in preamble:
        preamble = b""
    epilogue = draw(st.sampled_from([b"", b"\r", b"\r\n", b"--", b"x", b"\r\nThe end", b"\r\n" + body]))
    return Form(preamble + body + epilogue, boundary, content_type(parameter))


@st.composite
def broken_forms(draw: st.DrawFn) -> Form:
    """A form with a few bytes changed, left out, put in or sent twice, or with its end cut off; mostly where lines
    begin and end, which is where readers differ."""
    form = draw(forms(3))
    body = form.body
    insertions = [*_INSERTIONS, b"\r\n--" + form.boundary.encode(), b"--" + form.boundary.encode() + b"--"]
    for _ in range(draw(st.integers(1, 3))):
        line_ends = [match.start() for match in re.finditer(rb"\r\n", body)] or [0]
        near = st.builds(int.__add__, st.sampled_from(line_ends), st.sampled_from([-1, 0, 1, 2, 2, 2, 3]))
        place = min(len(body), max(0, draw(near | st.integers(0, len(body)))))
        match draw(st.sampled_from(["put in"] * 5 + ["change", "leave out", "send twice", "cut off"])):
            case "change":
                body = body[:place] + bytes([draw(_BYTES)]) + body[place + 1 :]
            case "leave out":
                body = body[:place] + body[place + draw(st.integers(1, 4)) :]
            case "put in":
                body = (
                    body[:place]
                    + draw(st.sampled_from(insertions) | _BYTES.map(chr).map(str.encode))
                    + body[place:]
                )
            case "send twice":
                body = body[: place + draw(st.integers(1, 90))] + body[place:]
            case _:
                body = body[:place]
    return Form(body, form.boundary, form.header)


@settings(deadline=None, max_examples=150)
@given(st.data(), forms())
def test_every_chunking_gives_what_the_reference_gives(data: st.DataObject, form: Form) -> None:
    expected = reference_form.read_form(form.body, form.boundary)
    assert read_parts([form.body], form.header) == expected
    assert read_parts(byte_by_byte(form.body), form.header) == expected
    assert read_parts(data.draw(chunkings(form.body)), form.header) == expected


@settings(deadline=None, max_examples=20)
@given(forms(2))
def test_a_form_cut_once_anywhere_gives_what_the_reference_gives(form: Form) -> None:
    expected = reference_form.read_form(form.body, form.boundary)
    for chunks in in_two(form.body):
        assert read_parts(chunks, form.header) == expected


@settings(deadline=None, max_examples=400)
@given(st.data(), broken_forms())
def test_a_broken_form_gets_one_verdict_however_it_is_cut(data: st.DataObject, form: Form) -> None:
    plan = data.draw(st.sampled_from(_PLANS))
    verdict = judge(plan, [form.body] if form.body else [], form.header)
    assert judge(plan, byte_by_byte(form.body), form.header) == verdict
    assert judge(plan, data.draw(chunkings(form.body)), form.header) == verdict


@settings(deadline=None, max_examples=20)
@given(broken_forms())
def test_a_broken_form_cut_once_anywhere_gets_one_verdict(form: Form) -> None:
    verdict = judge(WritingPlan(), [form.body] if form.body else [], form.header)
    for chunks in in_two(form.body):
        assert judge(WritingPlan(), chunks, form.header) == verdict


@settings(deadline=None, max_examples=200)
@given(broken_forms())
def test_a_broken_form_that_is_taken_loses_and_gains_no_byte(form: Form) -> None:
    try:
        taken = read_parts([form.body] if form.body else [], form.header)
    except MalformedBody:
        return
    assert [part.content for part in taken] == [
        content for _, content in reference_form.split(form.body, form.boundary)
    ]


def _without_delimiters(content: bytes, dash_boundary: bytes) -> bytes:
    """Nor with the boundary where the content begins: the empty line before it ends in CRLF."""
    while b"\r\n" + dash_boundary in b"\r\n" + content:
        content = re.sub(rb"(^|\r\n)" + re.escape(dash_boundary), b"", content)
    return content


def test_the_reference_knows_what_a_form_is() -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="a"; filename="%22.jpg"\r\n\r\nx\r\n--\r\n--b--\r\n'
    assert reference_form.read_form(body, "b") == [Part("a", b"x\r\n--", '".jpg')]
