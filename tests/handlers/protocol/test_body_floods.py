"""Bodies that go on and on are refused long before their end, in little memory and time."""

from __future__ import annotations

import time
import tracemalloc

import pytest

from handlers.protocol.body_cuts import BodyCuts
from handlers.protocol.multipart_stream import StreamLimits
from handlers.protocol.speaking_form import SpeakingPlan
from handlers.protocol.writing_form import WritingPlan
from storage.domain.errors import InvalidForm, MalformedBody
from tests.forms import empty_input, encode, frame, read_parts, text
from tests.handlers.protocol.verdicts import Refused, judge

FIELD = b'Content-Disposition: form-data; name="a"'
LIMITS = StreamLimits(parts=120, header_bytes=4096)
"""As config.yaml has them."""


def assert_refused_early(body: bytes, most_bytes: int, chunk_bytes: int = 512 << 10) -> None:
    """Whatever the chunks; and not more of `body` than `most_bytes` must come before the refusal."""
    for size in (chunk_bytes, 1000):
        began = time.process_time()
        tracemalloc.start()
        with pytest.raises(MalformedBody):
            read_parts((body[place : place + size] for place in range(0, len(body), size)), limits=LIMITS)
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak_bytes < 4 * size + (1 << 20)
        assert time.process_time() - began < 2
    with pytest.raises(MalformedBody):
        read_parts([body[:most_bytes]], limits=LIMITS)


def test_refuses_ten_thousand_parts_early() -> None:
    inputs = encode(empty_input(f"task1_image{number}") for number in range(10_000))
    assert_refused_early(inputs, len(inputs) // 50)
    for plan in (WritingPlan(), SpeakingPlan()):
        texts = encode(text("note", number) for number in range(10_000))
        assert judge(plan, [texts[: len(texts) // 100]]).outcome == Refused(InvalidForm, "invalid_form", {})


def test_refuses_ten_thousand_headers_early() -> None:
    body = frame([FIELD + b"\r\n" + b"X-A: b\r\n" * 10_000 + b"\r\nvalue"])
    assert_refused_early(body, 500)


def test_refuses_ten_thousand_folds_early() -> None:
    assert_refused_early(frame([FIELD + b"\r\n x" * 10_000 + b"\r\n\r\nvalue"]), 5500)


def test_refuses_a_header_line_of_a_mebibyte_early() -> None:
    assert_refused_early(frame([FIELD + b"\r\nX: " + b"y" * (1 << 20) + b"\r\n\r\nvalue"]), 4300)


def test_refuses_a_mebibyte_before_the_first_boundary_early() -> None:
    assert_refused_early(b"x" * (1 << 20) + b"\r\n" + encode([text("a", 1)]), 1200)


@pytest.mark.parametrize(
    "shape", [b";", b"; ", b'; a="\\', b";a=", b';"', b"; filename*", b'; filename*="', b"\\"]
)
def test_reads_a_disposition_made_to_be_slow_in_no_time(shape: bytes) -> None:
    disposition = b"Content-Disposition: form-data" + shape * (4000 // len(shape))
    began = time.process_time()
    with pytest.raises(MalformedBody):
        read_parts([frame([disposition + b"\r\n\r\nvalue"])], limits=LIMITS)
    assert time.process_time() - began < 0.5


def test_a_head_that_comes_byte_by_byte_is_looked_at_once() -> None:
    """Not all of it again with each byte: some kilobytes a second of that would keep the loop busy."""
    looked_at = 0

    class Counting(BodyCuts):
        def _check_lines(self, lines: bytes) -> None:
            nonlocal looked_at
            looked_at += len(lines)
            super()._check_lines(lines)

    head = b"--b\r\n" + b"X: y\r\n" * 2000
    cuts = Counting(b"b", 4096, 3000)
    for place in range(3, len(head)):
        assert list(cuts.pieces(head[place - 3 if place == 3 else place : place + 1])) == []
    assert looked_at < 10 * len(head)


def test_reads_quotes_that_are_never_closed_in_no_time() -> None:
    disposition = b'Content-Disposition: form-data; name="a"; x="' + b'\\"' * 1990
    began = time.process_time()
    assert len(read_parts([frame([disposition + b"\r\n\r\nvalue"] * 50)], limits=LIMITS)) == 50
    assert time.process_time() - began < 0.5
