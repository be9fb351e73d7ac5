"""A multipart form read the slow and obvious way, for the stream to be compared with.

The whole body is in memory, split at its delimiters (RFC 2046, 5.1.1), and each part is split at its first empty
line. Nothing here is shared with the code under test but the errors. Limits are the stream's business.
"""

from __future__ import annotations

import re

from storage.domain.errors import MalformedBody
from tests.forms import Part

_PREAMBLE_BYTES = 1024


def read_form(body: bytes, boundary: str) -> list[Part]:
    """The parts of `body`; raises MalformedBody where our rules do."""
    return [
        Part(name, content, filename)
        for head, content in split(body, boundary)
        for name, filename in [_names(head)]
    ]


def split(body: bytes, boundary: str) -> list[tuple[bytes, bytes]]:
    """The headers and the content of each part."""
    delimiter = b"\r\n--" + boundary.encode()
    preamble, *sections = (b"\r\n" + body).split(delimiter)  # the first delimiter needs no line before it
    if len(preamble) > _PREAMBLE_BYTES or delimiter[2:] in preamble:
        raise MalformedBody("the preamble is too long, or holds the boundary inside of a line")
    parts: list[tuple[bytes, bytes]] = []
    for section in sections:
        if section.startswith(b"--"):
            return parts  # what follows is the epilogue
        head, empty_line, content = section.partition(b"\r\n\r\n")
        if not head.startswith(b"\r\n"):
            raise MalformedBody("something else stands on the line of the boundary, or there are no headers")
        if not empty_line:
            raise MalformedBody("there is no empty line after the headers")
        if content.startswith(delimiter[2:]):
            raise MalformedBody("the boundary stands where the content should begin")
        parts.append((head.removeprefix(b"\r\n"), content))
    raise MalformedBody("there is no closing boundary")


def _names(head: bytes) -> tuple[str, str | None]:
    """The field's name and the file's, None without one. Header lines may be folded, in any case of letters."""
    lines = re.sub(rb"\r\n[ \t]", b" ", head).split(b"\r\n")
    headers = [line.partition(b":")[::2] for line in lines]
    found = [value.strip() for name, value in headers if name.strip().lower() == b"content-disposition"]
    if len(found) != 1:
        raise MalformedBody("there is not one Content-Disposition")
    kind, *parameters = _split_outside_of_quotes(found[0].decode(errors="replace"))
    values = {
        name.strip().lower(): _unquoted(value.strip())
        for name, _, value in (parameter.partition("=") for parameter in parameters)
    }
    if kind.strip().lower() != "form-data" or not values.get("name"):
        raise MalformedBody("it names no field")
    return values["name"], values.get("filename")


def _split_outside_of_quotes(value: str) -> list[str]:
    pieces, quoted = [""], False
    for character in value:
        quoted ^= character == '"'
        if character == ";" and not quoted:
            pieces.append("")
        else:
            pieces[-1] += character
    return pieces


def _unquoted(value: str) -> str:
    """As browsers quote (WHATWG HTML): three characters percent-encoded, nothing else."""
    value = value.removeprefix('"').removesuffix('"')
    return value.replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")
