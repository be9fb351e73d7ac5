"""Every error there is has a test that trips it over a real connection: a new one without a test fails here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from handlers.errors import STATUSES
from storage.domain import errors
from storage.domain.errors import ServiceError
from tests.handlers import (  # noqa: F401  # importing them is what fills COVERED
    test_conflict_errors,
    test_errors,
    test_file_errors,
    test_form_errors,
    test_idempotency,
    test_outages,
    test_upload_limits,
)
from tests.handlers.refusals import COVERED, Refusal

LOST_RACES = {errors.Conflict}
"""Raised as itself only where a race is lost and won back between two reads: no test can bring that about."""


def tree(error: type[ServiceError]) -> Iterator[type[ServiceError]]:
    yield error
    for below in error.__subclasses__():
        yield from tree(below)


def refusal_of(error: type[ServiceError]) -> Refusal:
    status = next(STATUSES[cls] for cls in error.__mro__ if cls in STATUSES)
    return Refusal(status, error.code)


ALL = list(tree(ServiceError))


@pytest.mark.parametrize(
    "error", [error for error in ALL if error not in LOST_RACES], ids=lambda error: error.code
)
def test_every_error_is_tripped(error: type[ServiceError]) -> None:
    assert refusal_of(error) in COVERED


def test_every_status_of_the_table_is_tripped() -> None:
    assert {refusal.status for refusal in COVERED} == set(STATUSES.values())


def test_no_test_trips_what_the_table_does_not_know() -> None:
    assert {refusal_of(error) for error in ALL} >= COVERED


def test_no_two_errors_share_a_code() -> None:
    assert len({error.code for error in ALL}) == len(ALL)
