"""Search for a body that breaks the upload form, or whose verdict depends on how it was cut (`make fuzz`).

    python -m tests.fuzz.fuzz_upload_form [-max_total_time=SECONDS] [libFuzzer's other options] [a body to replay]

Not collected by pytest. An input's first bytes say which section it is sent to, under which boundary, and how it is
cut; the rest is the body. It is received whole and cut: both must come to the same verdict, with whole files, and
refuse only with a ServiceError. The files of a body that is taken must be in it as the reference reader splits it.
What it learns is kept in `.fuzz/corpus`; an input that breaks one of these rules in `.fuzz/`, to become a test.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["handlers.protocol", "multipart"]):
    from handlers.protocol.speaking_form import SpeakingPlan
    from handlers.protocol.upload_form import FormPlan
    from handlers.protocol.writing_form import WritingPlan

from storage.domain.answer_sheet import AnswerSheet
from tests.forms import BOUNDARY, byte_by_byte, content_type, cut, empty_input, encode, file, frame, text
from tests.handlers.protocol import reference_form
from tests.handlers.protocol.verdicts import Refused, Verdict, judge

_KEPT = Path(__file__).resolve().parents[2] / ".fuzz"
_SECONDS = 60
"""How long it runs unless told otherwise."""
_BODY_BYTES = 3000
"""Longer bodies find no more: the limits of `tests/forms.py` are a few hundred bytes."""
_BOUNDARIES = ["b", "-", BOUNDARY, "a b:c"]
_PLANS: list[type[FormPlan]] = [WritingPlan, SpeakingPlan]
_DICTIONARY = [
    "\\x0d\\x0a",
    "\\x0d\\x0a\\x0d\\x0a",
    "\\x0d\\x0a--",
    *(f"\\x0d\\x0a--{boundary}" for boundary in _BOUNDARIES),
    *(f"--{boundary}--" for boundary in _BOUNDARIES),
    "Content-Disposition: form-data; name=",
    "; filename=",
    "; filename*=UTF-8''",
    "Content-Length: 1",
    "Content-Type: text/plain",
    "task1_image1",
    "task2_image1",
    "user_test_id",
    "exam_id",
    "section_type",
    "answers[0][question]",
    "answers[0][speaking_audio]",
    "part1_audio",
    '\\"',
    "\\\\",
    "%22",
]


@dataclass(frozen=True, slots=True)
class Case:
    """One input: `steps` are the sizes its body is cut into, again and again; none means byte by byte."""

    plan: type[FormPlan]
    boundary: str
    steps: bytes
    body: bytes

    @classmethod
    def read(cls, data: bytes) -> Case:
        kind, steps, body = data[0] if data else 0, data[1:4], data[4:]
        boundary = _BOUNDARIES[kind // len(_PLANS) % len(_BOUNDARIES)]
        return cls(_PLANS[kind % len(_PLANS)], boundary, steps if all(steps) else b"", body)

    @property
    def header(self) -> str:
        return content_type(f'"{self.boundary}"')

    def chunks(self) -> list[bytes]:
        return cut(self.body, self._places()) if self.steps else byte_by_byte(self.body)

    def _places(self) -> Iterator[int]:
        place = 0
        while place < len(self.body):
            for step in self.steps:
                place += step
                yield place


def check(data: bytes) -> None:
    """Raises AssertionError, or whatever escapes, if this input shows a fault."""
    case = Case.read(data)
    whole = judge(case.plan(), [case.body] if case.body else [], case.header)
    parts = judge(case.plan(), case.chunks(), case.header)
    assert parts == whole, f"{case}: cut into pieces {parts}, whole {whole}"
    _check_against_reference(case, whole)


def _check_against_reference(case: Case, verdict: Verdict) -> None:
    """Every file kept was sent as it stands; what the reference cannot split is refused."""
    if isinstance(verdict.outcome, Refused):
        return
    assert isinstance(verdict.outcome, AnswerSheet)
    sent = [content for _, content in reference_form.split(case.body, case.boundary)]
    for kept in verdict.files:
        assert kept.content in sent, f"{case}: {kept} was never sent"


def seeds() -> Iterator[bytes]:
    """Forms of both sections, right and wrong, under every boundary."""
    writing = [
        text("user_test_id", 1),
        text("exam_id", 2),
        file("task1_image1"),
        file("task2_image1", b"\x89PNG\r\n"),
    ]
    speaking = [text("answers[0][question]", 7), file("answers[0][speaking_audio]", b"ID3\r\n--")]
    by_part = [
        *writing[:2],
        text("section_type", "speaking"),
        file("part1_audio"),
        empty_input("part2_audio"),
    ]
    odd = [
        b"Content-Disposition: form-data;\r\n name=task1_image1;filename*=UTF-8''a\r\nContent-Length: 1\r\n\r\nx",
        b'content-type: text/plain\r\nCONTENT-DISPOSITION: form-data; name="note"; filename="C:\\a\\b"\r\n\r\n',
    ]
    for kind in range(len(_PLANS) * len(_BOUNDARIES)):
        boundary = Case.read(bytes([kind])).boundary
        for body in (
            *(encode(form, boundary) for form in (writing, speaking, by_part, [])),
            frame(odd, boundary),
            b"preamble\r\n" + encode(writing[::-1], boundary) + b"epilogue",
        ):
            yield bytes([kind, 7, 1, 30]) + body


def main() -> None:
    corpus, dictionary = _KEPT / "corpus", _KEPT / "dictionary"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds()):
        Path(corpus, f"seed-{number}").write_bytes(seed)
    dictionary.write_text("".join(f'"{word}"\n' for word in _DICTIONARY))
    defaults = [f"-max_total_time={_SECONDS}", f"-max_len={_BODY_BYTES}", f"-dict={dictionary}"]
    given = sys.argv[1:]
    replays = any(not argument.startswith("-") for argument in given)
    folders = [] if replays else [str(corpus)]
    atheris.Setup([sys.argv[0], *defaults, f"-artifact_prefix={_KEPT}/", *given, *folders], check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
