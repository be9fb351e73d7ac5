"""A student and a reviewer as they act over HTTP, for tests that need someone to do the main job."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import httpx

Json = dict[str, Any]
File = tuple[str, bytes, str]
"""A file as a browser sends it: its name, its content, the media type it is declared to have."""

WRITING, SPEAKING = "/multilevel/testcheck/writing/", "/multilevel/testcheck/speaking/"


class Person:
    """Whoever holds `token`; every request is answered as expected or fails the test."""

    def __init__(self, http: httpx.AsyncClient, token: str) -> None:
        self._http = http
        self._headers = {"Authorization": f"Bearer {token}"}

    async def ask(self, method: str, path: str, status: int = 200, **content: Any) -> httpx.Response:
        answer = await self._http.request(method, path, headers=self._headers, **content)
        assert answer.status_code == status, answer.text
        return answer


class Student(Person):
    """Uploads answers and reads results."""

    async def submit_writing(
        self, user_test_id: int, task1: Sequence[File], task2: Sequence[File], exam_id: int = 456
    ) -> Json:
        """Photos of both tasks; returns the 201's body."""
        images = [(f"task{task}_image{place}", file) for task, place, file in _numbered(task1, task2)]
        return await self._submit(WRITING, _form("writing", user_test_id, exam_id), images)

    async def submit_answers(self, recordings: Mapping[int, File]) -> Json:
        """One recording a question, keyed by the question's id: the API document's first convention."""
        text = {f"answers[{place}][question]": str(question) for place, question in enumerate(recordings)}
        audio = [
            (f"answers[{place}][speaking_audio]", file) for place, file in enumerate(recordings.values())
        ]
        return await self._submit(SPEAKING, text, audio)

    async def submit_parts(self, user_test_id: int, parts: Sequence[File], exam_id: int = 456) -> Json:
        """Recordings of the exam's parts: the convention of the API document's frontend example."""
        audio = [(f"part{number}_audio", file) for number, file in enumerate(parts, start=1)]
        return await self._submit(SPEAKING, _form("speaking", user_test_id, exam_id), audio)

    async def result(self, submission_id: int) -> Json:
        return _json(await self.ask("GET", f"/multilevel/test-result/{submission_id}/"))

    async def _submit(self, path: str, text: Mapping[str, str], files: Sequence[tuple[str, File]]) -> Json:
        return _json(await self.ask("POST", path, 201, data=text, files=files))


class Reviewer(Person):
    """Works through the queue."""

    async def queue(self, section: str) -> Json:
        return _json(await self.ask("GET", f"/multilevel/manual-reviews/?section_type={section}"))

    async def claim(self, submission: Json) -> Json:
        return _json(await self.ask("POST", f"{_review(submission)}claim/"))

    async def release(self, submission: Json) -> None:
        await self.ask("DELETE", f"{_review(submission)}claim/", 204)

    async def grade(self, submission: Json, score: Mapping[str, float], **feedback: str) -> Json:
        body = {"revision": submission["revision"], "score": score, "feedback": feedback}
        return _json(await self.ask("PUT", _review(submission), json=body))

    async def reopen(self, submission: Json) -> Json:
        """Admins only."""
        return _json(await self.ask("POST", f"{_review(submission)}reopen/"))


def photo_file(content: bytes, name: str = "writing_task1_page1.jpg") -> File:
    return name, content, "image/png" if name.endswith(".png") else "image/jpeg"


def files_of(submission: Json) -> list[Json]:
    """Every file of a submission, in the order of its questions."""
    return [
        file for question in submission["questions"] for file in question.get("images") or [question["audio"]]
    ]


def _numbered(*tasks: Iterable[File]) -> Iterable[tuple[int, int, File]]:
    for task, files in enumerate(tasks, start=1):
        for place, file in enumerate(files, start=1):
            yield task, place, file


def _form(section: str, user_test_id: int, exam_id: int) -> dict[str, str]:
    return {"user_test_id": str(user_test_id), "exam_id": str(exam_id), "section_type": section}


def _review(submission: Json) -> str:
    return f"/multilevel/manual-reviews/{submission['manual_review_id']}/"


def _json(answer: httpx.Response) -> Json:
    content = answer.json()
    assert isinstance(content, dict)
    return content
