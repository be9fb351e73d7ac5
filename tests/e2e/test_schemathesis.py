"""Schemathesis asks a real server what openapi.json allows, and what it forbids: no 5xx, nothing undocumented.

Each example is sent by somebody of any role, on ids that are there or on any others.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from server.embedded_mongod import EmbeddedMongod
from tests import openapi
from tests.e2e.review_stage import KEY, ROLES, Json, ReviewStage, review_stage
from tests.media_samples import photo, recording

EXAMPLES = 60
"""Requests for each operation: all together stay under a minute."""
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
OPERATIONS = [(path, method.upper()) for path, method, _ in openapi.operations()]
NOT_BY_REQUESTS = {101, 426, 503}
"""A handshake that `requests` does not make, and a server that is not ready."""
RANGES = ("bytes=0-9", "bytes=5-", "bytes=99999999-", "pages=1-2")
REVIEW = "/multilevel/manual-reviews/{manual_review_id}/"

Case = schemathesis.Case[Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """The server that is asked, as schemathesis sees it."""

    stage: ReviewStage
    schema: Any
    session: requests.Session


@pytest.fixture(scope="module")
def asked(mongod: EmbeddedMongod, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    folder = tmp_path_factory.mktemp("schemathesis")
    with review_stage(mongod, folder) as stage, requests.Session() as session:
        yield Asked(stage, schemathesis.openapi.from_url(f"{stage.http.base_url}/openapi.json"), session)


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_answers_as_documented(path: str, method: str, asked: Asked) -> None:
    stage, operation = asked.stage, asked.schema[path][method]
    cases = st.one_of([operation.as_strategy(generation_mode=mode) for mode in GenerationMode])
    seen: set[int] = set()

    def ask(case: Case, role: str, headers: Mapping[str, str]) -> None:
        answer = case.call_and_validate(
            base_url=str(stage.http.base_url),
            session=asked.session,
            headers={**stage.headers[role], **headers},
            checks=CHECKS,
        )
        seen.add(answer.status_code)

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(
        case=cases, role=st.sampled_from(ROLES), number=st.none() | st.sampled_from(list(stage.submissions))
    )
    def ask_anything(case: Case, role: str, number: int | None) -> None:
        if number is not None:
            for name, value in _place(path, number, stage).items():
                case.path_parameters[name] = value
            if path == REVIEW and isinstance(case.body, dict):
                _bring_up_to_date(case.body, number, stage)
        ask(case, role, {})

    stage.set()
    ask_anything()
    stage.set()
    for role, number in itertools.product(ROLES, stage.submissions):
        case = operation.Case(
            path_parameters=_place(path, number, stage), **_body(path, method, number, stage)
        )
        ask(case, role, {"Range": RANGES[number % len(RANGES)]} if path.startswith("/media/") else {})
    assert seen >= _successes(path, method) - NOT_BY_REQUESTS, "no request got as far as that"


def _successes(path: str, method: str) -> set[int]:
    """The statuses of an operation that are no refusals by us."""
    responses = openapi.DOCUMENT["paths"][path][method.lower()]["responses"]
    return {int(status) for status in responses if int(status) < 400 and status != "304"}


def _place(path: str, number: int, stage: ReviewStage) -> dict[str, Any]:
    """The parameters of a path that lead to a submission, or to what it has."""
    there = {
        "test_result_id": number,
        "manual_review_id": number,
        "key": f"{KEY}-{number}",
        "asset": "start.js",
        **dict(
            zip(("section", "year", "month", "day", "name"), stage.file(number).split("/")[2:], strict=True)
        ),
    }
    return {name: value for name, value in there.items() if f"{{{name}}}" in path}


def _bring_up_to_date(body: Json, number: int, stage: ReviewStage) -> None:
    """Else every grade that is made up would be refused for its revision, unread."""
    if "revision" in body:
        body["revision"] = stage.review(number)["revision"]
    body.pop("draft_revision", None)


def _body(path: str, method: str, number: int, stage: ReviewStage) -> dict[str, Any]:
    """With photos and recordings where files are wanted, and what no schema can say is needed."""
    test = next(stage.numbers)
    match method, path:
        case _, "/multilevel/testcheck/writing/":
            files = {f"task{task}_image1": photo(64, 48, seed=task) for task in (1, 2)}
            return _form({"user_test_id": test, "exam_id": 1, **files})
        case _, "/multilevel/testcheck/speaking/":
            sound = recording("wav", 0.05)
            question = {"answers[0][question]": 1, "answers[0][speaking_audio]": sound}
            return _form({"user_test_id": test, **question})
        case "PUT", "/multilevel/manual-reviews/{manual_review_id}/":
            return _json(stage.grade(number))
        case "PATCH", "/multilevel/manual-reviews/{manual_review_id}/":
            grade = stage.grade(number)
            return _json(grade if number % 4 else {"revision": grade["revision"], "score": None})
        case _, "/multilevel/manual-reviews/{manual_review_id}/claim/" if number % 2 and method == "POST":
            return _json({"take_over": True})
        case _, "/multilevel/manual-reviews/next/" if number % 2:
            return _json({"exam_id": test})  # that nobody sat
        case _, "/dev/token":
            return _json({"user_id": "42"})
    return {}


def _json(content: Json) -> dict[str, Any]:
    return {"body": content, "media_type": "application/json"}


def _form(fields: Json) -> dict[str, Any]:
    return {"body": fields, "media_type": "multipart/form-data"}
