"""Schemathesis asks a real server what openapi.json allows, and what it forbids: no 5xx, nothing undocumented.

Each example is sent by somebody of any role, on ids that are there or on any others.
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
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
from tests.e2e.server_process import ServerProcess
from tests.media_samples import photo, recording
from tests.people import SPEAKING, WRITING, files_of

EXAMPLES = 60
"""Requests for each operation: all together stay under a minute."""
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
ROLES = ("student", "reviewer", "admin", "nobody")
OPERATIONS = [(path, method.upper()) for path, method, _ in openapi.operations()]
KEY = "a-key"
NOT_BY_REQUESTS = {101, 426, 503}
"""A handshake that `requests` does not make, and a server that is not ready."""
RANGES = ("bytes=0-9", "bytes=5-", "bytes=99999999-", "pages=1-2")

Json = dict[str, Any]
Case = schemathesis.Case[Any]


@dataclass(frozen=True, slots=True)
class Stage:
    """A server with submissions in every state, and people of every role."""

    http: httpx.Client
    headers: Mapping[str, Mapping[str, str]]
    colleague: Mapping[str, str]
    submissions: Mapping[int, Json]
    schema: Any
    session: requests.Session
    numbers: Iterator[int]

    def set(self) -> None:
        """The first submission is a colleague's, every other one pending, those between them checked."""
        for place, number in enumerate(self.submissions):
            review = f"/multilevel/manual-reviews/{number}/"
            if place == 0:
                self._ask("POST", f"{review}claim/", headers=self.colleague)
            elif place % 2:
                self._ask("PUT", review, json=self.grade(number), headers=self.headers["reviewer"])
            else:
                self._ask("POST", f"{review}reopen/", headers=self.headers["admin"])

    def grade(self, number: int) -> Json:
        """What grades the submission as it is now."""
        now = self.http.get(f"/multilevel/manual-reviews/{number}/", headers=self.headers["admin"]).json()
        writing = {"task1_score": 20.5, "task2_score": 45}
        score = writing if now["section_type"] == "writing" else {"total_score": 70}
        return {"revision": now["revision"], "score": score, "feedback": {}}

    def _ask(self, method: str, path: str, **content: Any) -> None:
        answer = self.http.request(method, path, **content)
        assert answer.status_code in {200, 409}, answer.text  # 409: it is so already


@pytest.fixture(scope="module")
def stage(mongod: EmbeddedMongod, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    server = ServerProcess(
        tmp_path_factory.mktemp("schemathesis"),
        TURANTALIM_MONGO__URI=mongod.uri,
        TURANTALIM_MONGO__DATABASE=f"test-{uuid.uuid4().hex[:12]}",
        TURANTALIM_AUTH__DEV_LOGIN="true",
    )
    try:
        server.start()
        with requests.Session() as session, httpx.Client(base_url=server.url) as http:
            headers = {role: _headers(server, role) for role in ROLES}
            submissions = _submit(http, headers["student"])
            yield Stage(
                http,
                headers,
                {"Authorization": f"Bearer {server.token('7', 'reviewer')}"},
                {each["id"]: each for each in submissions},
                schemathesis.openapi.from_url(f"{server.url}/openapi.json"),
                session,
                itertools.count(100),
            )
        assert server.log_lines("error") == []
    finally:
        server.make_sure_it_ended()


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_answers_as_documented(path: str, method: str, stage: Stage) -> None:
    operation = stage.schema[path][method]
    cases = st.one_of([operation.as_strategy(generation_mode=mode) for mode in GenerationMode])
    seen: set[int] = set()

    def ask(case: Case, role: str, headers: Mapping[str, str]) -> None:
        answer = case.call_and_validate(
            base_url=str(stage.http.base_url),
            session=stage.session,
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
        ask(case, role, {})

    stage.set()
    ask_anything()
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


def _headers(server: ServerProcess, role: str) -> dict[str, str]:
    if role == "nobody":
        return {}
    return {"Authorization": f"Bearer {server.token('42', role)}"}


def _submit(http: httpx.Client, student: Mapping[str, str]) -> list[Json]:
    submissions = []
    for number in range(1, 5):
        files = {f"task{task}_image1": photo(64, 48, seed=2 * number + task) for task in (1, 2)}
        form = {"user_test_id": str(number), "exam_id": "1"}
        named = {**student, "Idempotency-Key": f"{KEY}-{number}"}
        submissions.append(_created(http.post(WRITING, data=form, files=files, headers=named)))
        sound = {"answers[0][speaking_audio]": recording("wav", 0.05, seed=number)}
        asked = {"answers[0][question]": "101", "user_test_id": str(number)}
        named = {**student, "Idempotency-Key": f"{KEY}-{number + 4}"}
        submissions.append(_created(http.post(SPEAKING, data=asked, files=sound, headers=named)))
    return submissions


def _created(answer: httpx.Response) -> Json:
    assert answer.status_code == 201, answer.text
    content: Json = answer.json()
    return content


def _place(path: str, number: int, stage: Stage) -> dict[str, Any]:
    """The parameters of a path that lead to a submission, or to what it has."""
    file = files_of(stage.submissions[number])[0]["url"].partition("?")[0]
    there = {
        "test_result_id": number,
        "manual_review_id": number,
        "key": f"{KEY}-{number}",
        "asset": "start.js",
        **dict(zip(("section", "year", "month", "day", "name"), file.split("/")[2:], strict=True)),
    }
    return {name: value for name, value in there.items() if f"{{{name}}}" in path}


def _body(path: str, method: str, number: int, stage: Stage) -> dict[str, Any]:
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
            return {"body": stage.grade(number), "media_type": "application/json"}
        case _, "/dev/token":
            return {"body": {"user_id": "42"}, "media_type": "application/json"}
    return {}


def _form(fields: Json) -> dict[str, Any]:
    return {"body": fields, "media_type": "multipart/form-data"}
