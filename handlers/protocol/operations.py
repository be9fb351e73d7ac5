"""What a handler says of itself in openapi.json: its path, and what each method takes and answers. Pure.

A handler has a `documented`, beside its code:

    documented = Documented(
        "/multilevel/manual-reviews/{manual_review_id}/claim/",
        post=Operation("Claim, or renew one's own claim", {200: Json(SubmissionInQueue)}, refusals=(Conflict,)),
    )

What goes without saying is not said there: the token and 401 and 403 come from the handler's `access`, 404 from
parameters in the path, 400, 408, 413 and 415 from a body, 500 and 503 are everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from handlers.protocol.list_query import DEFAULT_LIMIT, MAX_LIMIT
from handlers.protocol.query_arguments import MAX_ID as MAX_QUERY_ID
from storage.domain.errors import ServiceError
from storage.domain.submission import Section

Schema = Mapping[str, Any]

MAX_ID = 10**15 - 1
"""Routes take up to fifteen digits."""
_ID: Schema = {"type": "integer", "minimum": 0, "maximum": MAX_ID}
PATH_PARAMETERS: Mapping[str, Schema] = {
    "test_result_id": _ID,
    "manual_review_id": _ID,
    "key": {"type": "string", "pattern": "^[!-~]{1,255}$", "description": "An `Idempotency-Key`."},
    "section": {"enum": ["writing", "speaking"]},
    "year": {"type": "string", "pattern": "^[0-9]{4}$"},
    "month": {"type": "string", "pattern": "^[0-9]{2}$"},
    "day": {"type": "string", "pattern": "^[0-9]{2}$"},
    "name": {"type": "string", "pattern": r"^[0-9a-f]{32}(-view|-thumb)?\.[a-z0-9]{3,4}$"},
    "asset": {"enum": ["start.js", "swagger-ui-bundle.js", "swagger-ui.css", "favicon.png"]},
}
"""By the name between the braces of a path."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query argument or a header that means something."""

    name: str
    schema: Schema
    description: str = ""
    place: str = "query"


def choice(name: str, choices: type[StrEnum], description: str = "") -> Parameter:
    """A query argument that takes one of `choices`."""
    return Parameter(name, {"enum": [each.value for each in choices]}, description)


CURSOR = Parameter("cursor", {"type": "string"}, "`next` of the page before; none: the first page.")
LIMIT = Parameter("limit", {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT})
SECTION = choice("section_type", Section, "Both by default.")
EXAM = Parameter("exam_id", {"type": "integer", "minimum": 1, "maximum": MAX_QUERY_ID})


def bound(name: str, description: str) -> Parameter:
    """A query argument that is one end of a period."""
    either: list[Schema] = [{"type": "string", "format": each} for each in ("date", "date-time")]
    return Parameter(
        name, {"anyOf": either}, f"{description} A day is the whole of it in `reviews.time_zone`."
    )


@dataclass(frozen=True, slots=True)
class Json:
    """An answer's or a request's JSON; `model`: a pydantic model, or a union of some."""

    model: Any
    headers: tuple[str, ...] = ()
    example: Any = None


@dataclass(frozen=True, slots=True)
class Bytes:
    """An answer that is no JSON, in one of `media_types`."""

    media_types: tuple[str, ...]
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Empty:
    """An answer without a body."""

    headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Form:
    """A multipart/form-data body. `encoding`: OpenAPI's, by field."""

    schema: Schema
    encoding: Schema = field(default_factory=dict)


Answer = Json | Bytes | Empty


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path. `refusals`: errors beyond those that go without saying."""

    summary: str
    answers: Mapping[int, Answer]
    description: str = ""
    body: Json | Form | None = None
    body_is_optional: bool = False
    parameters: tuple[Parameter, ...] = ()
    refusals: tuple[type[ServiceError], ...] = ()
    link: bool = False
    """True if a signed link opens it without a token."""


@dataclass(frozen=True, slots=True)
class Documented:
    """One path, in OpenAPI's notation, with its methods."""

    path: str
    get: Operation | None = None
    post: Operation | None = None
    put: Operation | None = None
    patch: Operation | None = None
    delete: Operation | None = None
    tag: str = "reviews"

    def operations(self) -> Iterator[tuple[str, Operation]]:
        """Every documented method in lower case, with what it does."""
        for method in ("get", "post", "put", "patch", "delete"):
            operation = getattr(self, method)
            if operation is not None:
                yield method, operation
