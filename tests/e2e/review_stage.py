"""A real server with submissions in every state and people of every role, for requests of any kind."""

from __future__ import annotations

import asyncio
import itertools
import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from server.embedded_mongod import EmbeddedMongod
from tests.e2e.processes import eventually
from tests.e2e.server_process import ServerProcess
from tests.media_samples import photo, recording
from tests.people import SPEAKING, WRITING, files_of

ROLES = ("student", "reviewer", "admin", "nobody")
KEY = "a-key"
_STATES = ("held by a colleague", "checked", "checked", "held", "held", "checked", "checked", "free")
"""Of the submissions: Writing and Speaking by turns."""
_RUBRICS = {
    "speaking": {"total_score": [{"name": "Fluency", "maximum": 30}, {"name": "Grammar", "maximum": 45}]}
}
_LINKS = ("url", "original_url", "thumbnail_url")

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ReviewStage:
    """Everyone is user 42, in one role or another, but for the colleague. `submissions` are by their id, which is
    that of the review too."""

    http: httpx.Client
    headers: Mapping[str, Mapping[str, str]]
    colleague: Mapping[str, str]
    submissions: Mapping[int, Json]
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(100))

    def set(self) -> None:
        """Every submission in its state again, whatever became of it."""
        for number, state in zip(self.submissions, _STATES, strict=True):
            review = f"/multilevel/manual-reviews/{number}/"
            if state != "checked":
                self._ask("POST", f"{review}reopen/", headers=self.headers["admin"])
                self._ask("DELETE", f"{review}claim/", headers=self.headers["reviewer"])
            match state:
                case "checked":
                    self._ask("PUT", review, json=self.grade(number), headers=self.headers["reviewer"])
                case "held":
                    self._ask("POST", f"{review}claim/", headers=self.headers["reviewer"])
                case "held by a colleague":
                    self._ask("POST", f"{review}claim/", headers=self.colleague)

    def grade(self, number: int) -> Json:
        """What grades the submission as it is now, in every detail."""
        now, files = self.review(number), files_of(self.submissions[number])
        if now["section_type"] == "writing":
            box = {"x": 0.25, "y": 0.5, "width": 0.5, "height": 0.25}
            return {
                "revision": now["revision"],
                "score": {"task1_score": 20.5, "task2_score": 45},
                "feedback": {"task1_comment": "Good."},
                "comments": [{"text": "Here.", "image_id": files[0]["id"], "box": box}],
            }
        return {
            "revision": now["revision"],
            "score": {"total_score": 70},
            "feedback": {"comment": "Good."},
            "criteria": {"total_score": {"Fluency": 30, "Grammar": 40}},
            "comments": [{"text": "Here.", "question": 1, "at_seconds": 0.25}],
        }

    def review(self, number: int) -> Json:
        """As reviewers see it in detail."""
        answer = self.http.get(f"/multilevel/manual-reviews/{number}/", headers=self.headers["admin"])
        return _json(answer, 200)

    def file(self, number: int) -> str:
        """The path of a file: an original, a copy to look at, a thumbnail, by turns."""
        there = files_of(self.submissions[number])[0]
        links = [there[name] for name in _LINKS if there.get(name)]
        link: str = links[number // 2 % len(links)]
        return link.partition("?")[0]

    def _ask(self, method: str, path: str, **content: Any) -> None:
        answer = self.http.request(method, path, **content)
        assert answer.status_code in {200, 204, 409}, answer.text  # 409: it is so already


@contextmanager
def review_stage(mongod: EmbeddedMongod, folder: Path) -> Iterator[ReviewStage]:
    """Fails if the server logs an error meanwhile."""
    server = ServerProcess(
        folder,
        TURANTALIM_MONGO__URI=mongod.uri,
        TURANTALIM_MONGO__DATABASE=f"test-{uuid.uuid4().hex[:12]}",
        TURANTALIM_AUTH__DEV_LOGIN="true",
        TURANTALIM_EXAMINATION__ENABLED="true",
        TURANTALIM_REVIEWS__RUBRICS=json.dumps(_RUBRICS),
    )
    try:
        server.start()
        with httpx.Client(base_url=server.url) as http:
            headers = {role: _headers(server, role) for role in ROLES}
            created = _submit(http, headers["student"])
            stage = ReviewStage(http, headers, _headers(server, "reviewer", "7"), {})
            asyncio.run(eventually(lambda: all(stage.review(each["id"])["is_examined"] for each in created)))
            submissions = {each["id"]: stage.review(each["id"]) for each in created}
            yield ReviewStage(http, headers, stage.colleague, submissions)
        assert server.log_lines("error") == []
    finally:
        server.make_sure_it_ended()


def _headers(server: ServerProcess, role: str, user: str = "42") -> dict[str, str]:
    return {} if role == "nobody" else {"Authorization": f"Bearer {server.token(user, role)}"}


def _submit(http: httpx.Client, student: Mapping[str, str]) -> list[Json]:
    submissions = []
    for number in range(1, len(_STATES) // 2 + 1):
        files = {f"task{task}_image1": photo(64, 48, seed=2 * number + task) for task in (1, 2)}
        form = {"user_test_id": str(number), "exam_id": "1"}
        named = {**student, "Idempotency-Key": f"{KEY}-{2 * number - 1}"}
        submissions.append(_json(http.post(WRITING, data=form, files=files, headers=named), 201))
        sound = {"answers[0][speaking_audio]": recording("wav", 0.05, seed=number)}
        asked = {"answers[0][question]": "101", "user_test_id": str(number)}
        named = {**student, "Idempotency-Key": f"{KEY}-{2 * number}"}
        submissions.append(_json(http.post(SPEAKING, data=asked, files=sound, headers=named), 201))
    return submissions


def _json(answer: httpx.Response, status: int) -> Json:
    assert answer.status_code == status, answer.text
    content: Json = answer.json()
    return content
