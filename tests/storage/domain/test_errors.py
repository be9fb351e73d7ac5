"""The tree of refusals: stable codes, sentences safe to show, the API document's words."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from storage.domain import errors
from storage.domain.errors import (
    AlreadySubmitted,
    InvalidForm,
    InvalidRequest,
    MalformedBody,
    MissingFields,
    NotFound,
    ServiceError,
    TokenExpired,
    TooLarge,
    Unauthenticated,
)
from tests.submissions import WRITING


def tree(root: type[ServiceError] = ServiceError) -> Iterator[type[ServiceError]]:
    yield root
    for branch in root.__subclasses__():
        if branch.__module__ == errors.__name__:
            yield from tree(branch)


@pytest.mark.parametrize("error", list(tree()))
def test_every_refusal_has_its_own_code_and_a_sentence(error: type[ServiceError]) -> None:
    assert "code" in vars(error)
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", error.code)
    assert error.sentence.strip()


def test_no_two_refusals_share_a_code() -> None:
    codes = [error.code for error in tree()]
    assert len(codes) > 20
    assert sorted(codes) == sorted(set(codes))


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("internal", "Server xatosi"),
        ("unauthenticated", "Authentication kerak"),
        ("token_expired", "Authentication kerak"),
        ("forbidden", "Ruxsat yo'q"),
        ("not_found", "Resurs topilmadi"),
        ("invalid", "Request'da xato bor"),
        ("missing_fields", "Missing required fields"),
        ("not_multipart", "Content-Type multipart/form-data bo'lishi kerak"),
        ("too_large", "Fayl hajmi juda katta"),
        ("unsupported_media_type", "Fayl formati qo'llab-quvvatlanmaydi"),
        ("not_stored", "TestResult yaratishda xatolik"),
    ],
)
def test_says_it_in_the_words_of_the_api_document(code: str, sentence: str) -> None:
    assert {error.code: error.sentence for error in tree()}[code] == sentence


def test_a_wrong_form_says_why_in_the_words_of_the_api_document() -> None:
    assert InvalidForm("Kamida bitta javob yuborilishi kerak").shown == (
        "Ma'lumotlar noto'g'ri formatda yuborilgan: Kamida bitta javob yuborilishi kerak"
    )


def test_shows_its_own_sentence_unless_given_another() -> None:
    assert NotFound().shown == str(NotFound()) == "Resurs topilmadi"
    assert NotFound("Question 5 not found").shown == "Question 5 not found"


def test_carries_the_wrong_fields() -> None:
    details = {"exam_id": ["This field is required."]}
    assert MissingFields(details=details).details == details
    assert TooLarge().details == {}


def test_a_conflict_carries_what_is_so_now() -> None:
    conflict = AlreadySubmitted(WRITING)
    assert conflict.current is WRITING
    assert conflict.shown == "This section of the test was already submitted"


@pytest.mark.parametrize("error", [InvalidForm, MalformedBody, MissingFields])
def test_what_is_wrong_with_a_form_is_an_invalid_request(error: type[ServiceError]) -> None:
    assert issubclass(error, InvalidRequest)


def test_an_expired_token_is_a_kind_of_no_token() -> None:
    assert issubclass(TokenExpired, Unauthenticated)
