"""From multipart events to file operations and, at the end, a checked answer sheet. Pure.

What differs between Writing and Speaking is a `FormPlan`; what they share (sizes, counts, empty and repeated
fields) is the `UploadForm`. Text fields may come before or after the files; nothing is decided by their order.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from handlers.protocol.multipart_stream import PartBytes, PartEnded, PartEvent, PartStarted
from storage.domain.answer_sheet import AnswerSheet
from storage.domain.errors import InvalidForm, InvalidRequest, MissingFields, TooLarge
from storage.domain.file_operations import CloseFile, FileOperation, OpenFile, WriteBytes
from storage.domain.media_rules import MediaKind

REQUIRED = "This field is required."
NO_FILE = "No file was submitted."
_EMPTY_FILE = "The submitted file is empty."
_NOT_A_FILE = "The submitted data was not a file. Check the encoding type on the form."
_TOO_LARGE = {  # API document, "Writing Submit Component" and "Speaking Submit Component"
    MediaKind.IMAGE: "Fayl hajmi {:g}MB dan oshmasligi kerak",
    MediaKind.AUDIO: "Audio fayl hajmi {:g}MB dan oshmasligi kerak",
}
_INTEGER = re.compile(r"0*([1-9][0-9]{0,15})")
_MAX_ID = (1 << 53) - 1
"""The largest integer JavaScript holds exactly, and far inside BSON's 64 bits."""


@dataclass(frozen=True, slots=True)
class FormLimits:
    """Bounds of one form: bytes a file and a text field may have, and how many of each there may be."""

    image_bytes: int
    audio_bytes: int
    images_per_task: int
    answers: int
    fields: int
    field_bytes: int

    def file_bytes(self, kind: MediaKind) -> int:
        return self.image_bytes if kind is MediaKind.IMAGE else self.audio_bytes


class FormPlan(Protocol):
    """One section's fields."""

    def reads(self, name: str) -> bool:
        """True for a text field that means something; others are ignored."""

    def kind_of(self, name: str) -> MediaKind | None:
        """What a file field of this name must hold; None for a name that is no file field."""

    def admit(self, name: str, sent: Collection[str], limits: FormLimits) -> None:
        """Raise InvalidForm if file `name` cannot come on top of those sent."""

    def sheet(self, texts: Mapping[str, str], sent: Collection[str]) -> AnswerSheet:
        """The whole form's meaning; raises MissingFields or InvalidForm naming every wrong field."""


class Problems:
    """Collects what is wrong with a form, so that the student sees all of it at once."""

    def __init__(self) -> None:
        self._details: dict[str, list[str]] = {}
        self._missing = False

    def missing(self, name: str, sentence: str) -> None:
        self._missing = True
        self._details.setdefault(name, []).append(sentence)

    def wrong(self, name: str, sentence: str) -> None:
        self._details.setdefault(name, []).append(sentence)

    def raise_if_any(self) -> None:
        if not self._details:
            return
        if self._missing:
            raise MissingFields(details=self._details)
        raise wrong_fields(self._details)


def wrong_fields(details: Mapping[str, list[str]]) -> InvalidRequest:
    name, sentences = next(iter(details.items()))
    return InvalidForm(f"{name}: {sentences[0]}", details=details)


def read_id(texts: Mapping[str, str], name: str, problems: Problems, *, required: bool) -> int | None:
    """The id in text field `name`, noting in `problems` what is wrong with it."""
    text = texts.get(name, "").strip()
    if not text:
        if required:
            problems.missing(name, REQUIRED)
        return None
    if (match := _INTEGER.fullmatch(text)) and int(match[1]) <= _MAX_ID:
        return int(match[1])
    problems.wrong(name, "A valid integer is required.")
    return None


def check_section(texts: Mapping[str, str], section: str, problems: Problems, *, required: bool) -> None:
    given = texts.get("section_type", "").strip()
    if not given and required:
        problems.missing("section_type", REQUIRED)
    if given and given != section:
        problems.wrong("section_type", f'"{given[:50]}" is not a valid choice.')


class UploadForm:
    """Take the events of one body in order; `complete` at its end."""

    def __init__(self, plan: FormPlan, limits: FormLimits) -> None:
        self._plan = plan
        self._limits = limits
        self._texts: dict[str, str] = {}
        self._sent: list[str] = []
        self._fields = 0
        self._name = ""
        self._filename: str | None = None
        self._kind: MediaKind | None = None
        self._size_bytes = 0
        self._text = bytearray()

    def take(self, event: PartEvent) -> Sequence[FileOperation]:
        """What `event` asks of the draft. Raises InvalidForm and TooLarge naming the field."""
        match event:
            case PartStarted(name, filename):
                self._start(name, filename)
                return ()
            case PartBytes(data) if self._filename is None:
                self._add_text(data)
                return ()
            case PartBytes(data):
                return self._add_file_bytes(data)
            case PartEnded():
                return self._end()

    def complete(self) -> AnswerSheet:
        """The checked form. Raises MissingFields or InvalidForm."""
        return self._plan.sheet(self._texts, self._sent)

    def _start(self, name: str, filename: str | None) -> None:
        self._name, self._filename, self._kind = name, filename, None
        self._size_bytes = 0
        self._text.clear()
        if filename is None:
            self._fields += 1
            if self._fields > self._limits.fields:
                raise InvalidForm(f"more than {self._limits.fields} fields")
        elif filename:
            self._admit_file()

    def _admit_file(self) -> MediaKind:
        """Decide on a file by its field name, before a byte of it is taken."""
        kind = self._plan.kind_of(self._name)
        if kind is None:
            raise wrong_fields({self._name: ["This file field is unknown."]})
        if self._name in self._sent:
            raise wrong_fields({self._name: ["Only one file can be sent in this field."]})
        self._plan.admit(self._name, self._sent, self._limits)
        self._kind = kind
        return kind

    def _add_file_bytes(self, data: bytes | memoryview) -> Sequence[FileOperation]:
        kind = self._kind or self._admit_file()
        first = self._size_bytes == 0
        self._size_bytes += len(data)
        limit = self._limits.file_bytes(kind)
        if self._size_bytes > limit:
            raise TooLarge(details={self._name: [_TOO_LARGE[kind].format(limit / (1 << 20))]})
        return (OpenFile(self._name, kind), WriteBytes(data)) if first else (WriteBytes(data),)

    def _add_text(self, data: bytes | memoryview) -> None:
        if self._plan.kind_of(self._name) is not None:
            raise wrong_fields({self._name: [_NOT_A_FILE]})
        self._size_bytes += len(data)
        if self._size_bytes > self._limits.field_bytes:
            sentence = f"Ensure this field has no more than {self._limits.field_bytes} bytes."
            raise TooLarge(details={self._name: [sentence]})
        if self._plan.reads(self._name):
            self._text += data

    def _end(self) -> Sequence[FileOperation]:
        if self._filename is None:
            self._end_text()
            return ()
        if self._size_bytes:
            self._sent.append(self._name)
            return (CloseFile(),)
        if self._filename:
            raise wrong_fields({self._name: [_EMPTY_FILE]})
        return ()  # a file input nobody filled in counts as not sent

    def _end_text(self) -> None:
        name = self._name
        try:
            text = self._text.decode()
        except UnicodeDecodeError:
            raise wrong_fields({name: ["Enter text in UTF-8."]}) from None
        if text.strip() and self._texts.setdefault(name, text) != text:
            raise wrong_fields({name: ["This field was sent twice with different values."]})
