"""The one table from errors to HTTP statuses, with the JSON every refusal becomes (design section 3, *Errors*)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tornado.web import HTTPError

from storage.domain import errors
from storage.domain.errors import ServiceError

STATUSES: dict[type[ServiceError], int] = {
    errors.InvalidRequest: 400,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.MethodNotAllowed: 405,
    errors.TooSlow: 408,
    errors.Conflict: 409,
    errors.InProgress: 409,
    errors.TooLarge: 413,
    errors.UnsupportedMedia: 415,
    errors.UnsupportedEncoding: 415,
    errors.RangeNotSatisfiable: 416,
    errors.KeyReused: 422,
    errors.TooManyUploads: 429,
    ServiceError: 500,
    errors.Unavailable: 503,
    errors.StorageFull: 507,
}
"""A class stands for all below it that are not listed themselves."""

_FROM_TORNADO: dict[int, type[ServiceError]] = {
    400: errors.InvalidRequest,
    403: errors.Forbidden,
    404: errors.NotFound,
    405: errors.MethodNotAllowed,
}
_RETRY_AFTER_SECONDS = {
    errors.Unavailable: "2",
    errors.InProgress: "5",
    errors.TooManyUploads: "5",
    errors.StorageFull: "60",
}
"""A primary is elected within seconds, an upload ends within some; room on a disk is made by a person."""


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """An error as it goes out; the request id is added by whoever knows it."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)


def as_service_error(error: BaseException | None) -> ServiceError:
    """`error` itself, what Tornado's own refusals mean, or a plain ServiceError: 500 with nothing revealed."""
    if isinstance(error, ServiceError):
        return error
    if isinstance(error, HTTPError):
        return _FROM_TORNADO.get(error.status_code, ServiceError)()
    return ServiceError()


def is_unforeseen(error: BaseException | None) -> bool:
    """True for what becomes a 500 without our having meant it: a fault of ours, to be logged with its traceback."""
    return not isinstance(error, ServiceError) and type(as_service_error(error)) is ServiceError


def status_of(error: ServiceError) -> int:
    return status_of_class(type(error))


def status_of_class(error: type[ServiceError]) -> int:
    return next(STATUSES[cls] for cls in error.__mro__ if cls in STATUSES)


def answer_to(error: ServiceError) -> ErrorAnswer:
    """Status, body and headers of `error`."""
    headers: dict[str, str] = {}
    if isinstance(error, errors.Unauthenticated):
        headers["WWW-Authenticate"] = 'Bearer realm="turantalim", error="invalid_token"'
    if isinstance(error, errors.RangeNotSatisfiable):
        headers["Content-Range"] = f"bytes */{error.size_bytes}"
    for cls, seconds in _RETRY_AFTER_SECONDS.items():
        if isinstance(error, cls):
            headers["Retry-After"] = seconds
    details = {name: list(sentences) for name, sentences in error.details.items()}
    body: dict[str, Any] = {"error": error.shown, "code": error.code, "details": details}
    if isinstance(error, errors.AlreadySubmitted):
        body["id"] = error.current.id
    return ErrorAnswer(status_of(error), body, headers)
