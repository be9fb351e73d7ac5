"""The main job, with the real server, real media and the official SDK: upload, queue, claim, grade, result."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import pytest

from tests.e2e.clients import Json, SdkClient, sdk_client
from tests.e2e.server_process import ServerProcess
from tests.media_samples import RECORDINGS, photo, photo_of_bytes, recording
from tests.people import File, Reviewer, Student, files_of, photo_file

PIECES = 3
"""In how many ranges each file is fetched."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Someone at a browser: HTTP requests and the SDK's socket."""

    http: httpx.AsyncClient
    token: str
    socket: SdkClient


@dataclass(frozen=True, slots=True)
class ExamDay:
    student: Actor
    other: Actor
    reviewer: Actor


@pytest.mark.gen_test(timeout=90)
async def test_writing_comes_back_graded(server: ServerProcess) -> None:
    task1 = [photo_file(photo_of_bytes(400_000, seed=seed)) for seed in (1, 2)]
    task2 = [
        photo_file(photo(900, 1200, seed=3)),
        photo_file(photo(900, 1200, seed=4, format="PNG"), "writing_task2_page2.png"),
        photo_file(photo_of_bytes(60_000, seed=5)),
    ]
    async with _exam_day(server) as day:
        student = Student(day.student.http, day.student.token)
        submission = await student.submit_writing(123, task1, task2)
        assert [question["question_type"] for question in submission["questions"]] == ["letter", "essay"]
        result = await _reviewed(
            day,
            submission,
            {"task1_score": 20.5, "task2_score": 45.0},
            task1_comment="Good structure, but grammar needs improvement.",
            task2_comment="Excellent essay with clear arguments.",
        )
        assert result["score"] == {
            "task1_score": 20.5,
            "task2_score": 45.0,
            "total_score": 65.5,
            "max_score": 75,
        }
        await _check_media(day.student.http, result, [*task1, *task2])


@pytest.mark.gen_test(timeout=90)
async def test_speaking_by_question_comes_back_graded_in_every_format(server: ServerProcess) -> None:
    recordings = {
        101 + place: (f"question{place}.{kind.partition('-')[0]}", recording(kind, 2.0, seed=place), declared)
        for place, (kind, declared) in enumerate(RECORDINGS.items())
    }
    async with _exam_day(server) as day:
        student = Student(day.student.http, day.student.token)
        submission = await student.submit_answers(recordings)
        assert submission["audios_count"] == len(RECORDINGS)
        assert [question["question"] for question in submission["questions"]] == list(recordings)
        result = await _reviewed(
            day,
            submission,
            {"total_score": 70},
            comment="Good pronunciation and fluency. Grammar needs some work.",
        )
        assert result["score"] == {"total_score": 70, "max_score": 75}
        assert [file["media_type"] for file in files_of(result)] == list(RECORDINGS.values())
        await _check_media(day.student.http, result, list(recordings.values()))


@pytest.mark.gen_test(timeout=90)
async def test_speaking_by_part_comes_back_graded(server: ServerProcess) -> None:
    parts = [
        # What the API document's recorder hands over.
        (f"recording_{seed}.webm", recording("webm-live", 5.0, seed=seed), "audio/webm;codecs=opus")
        for seed in (1, 2, 3)
    ]
    async with _exam_day(server) as day:
        submission = await Student(day.student.http, day.student.token).submit_parts(124, parts)
        kinds = [question["question_type"] for question in submission["questions"]]
        assert kinds == ["part1", "part2", "part3"]
        result = await _reviewed(day, submission, {"total_score": 62.25}, comment="Yaxshi.")
        assert result["score"] == {"total_score": 62.25, "max_score": 75}
        await _check_media(day.student.http, result, parts)


@asynccontextmanager
async def _exam_day(server: ServerProcess) -> AsyncIterator[ExamDay]:
    """Everyone is connected; in the end the server stops in order, tells them so, and had no errors."""
    tokens = (
        server.token("42", name="Aziza"),
        server.token("43"),
        server.token("7", "reviewer", "Admin User"),
    )
    url = server.websocket_url
    async with (
        httpx.AsyncClient(base_url=server.url, timeout=30) as http,
        sdk_client(url, tokens[0]) as student,
        sdk_client(url, tokens[1]) as other,
        sdk_client(url, tokens[2], "queue:writing", "queue:speaking") as reviewer,
    ):
        sockets = (student, other, reviewer)
        yield ExamDay(
            *(Actor(http, token, socket) for token, socket in zip(tokens, sockets, strict=True)),
        )
        exit_code = await asyncio.to_thread(server.stop)
        for socket in sockets:
            await socket.until(lambda socket=socket: socket.lost == [3001])  # type: ignore[misc]
    assert exit_code == 0
    assert server.log_lines("error") == []


async def _reviewed(day: ExamDay, submission: Json, score: dict[str, float], **feedback: str) -> Json:
    """Take a fresh submission through the queue, a claim and a grade, and return the student's result."""
    reviewer, queue = Reviewer(day.reviewer.http, day.reviewer.token), f"queue:{submission['section_type']}"
    assert (submission["status"], submission["revision"], submission["score"]) == ("pending", 1, None)

    created = await day.reviewer.socket.hears("submission.created", submission["id"], queue)
    assert created.submission["student"] == {"id": "42", "name": "Aziza"}
    assert created.submission["claim"] is None

    await reviewer.claim(created.submission)
    claimed = await day.reviewer.socket.hears("submission.claimed", submission["id"], queue)
    assert claimed.submission["claim"]["reviewer"] == {"id": "7", "name": "Admin User"}

    await reviewer.grade(claimed.submission, score, **feedback)
    checked = await day.student.socket.hears("submission.checked", submission["id"], "user:42")
    result = await Student(day.student.http, day.student.token).result(submission["id"])
    for shown in (checked.submission, result):
        assert (shown["status"], shown["revision"]) == ("checked", 2)
        assert shown["score"].items() >= score.items()
        assert shown["feedback"].items() >= feedback.items()
        assert shown["reviewer"] == {"name": "Admin User", "reviewed_at": shown["reviewed_at"]}

    heard = day.student.socket.heard
    assert [each.type for each in heard] == ["submission.created", "submission.checked"]
    assert all(each.submission.keys().isdisjoint({"claim", "student", "history"}) for each in heard)
    await _check_that_others_hear_nothing(day)
    return result


async def _check_that_others_hear_nothing(day: ExamDay) -> None:
    """What the other student hears after it all is their own, and the first they hear at all."""
    page = photo_file(photo(64, 48))
    own = await Student(day.other.http, day.other.token).submit_writing(9, [page], [page])
    await day.other.socket.hears("submission.created", own["id"])
    assert [each.submission["id"] for each in day.other.socket.heard] == [own["id"]]
    assert day.other.socket.snapshots["user:43"]["submissions"] == []


async def _check_media(http: httpx.AsyncClient, result: Json, sent: Sequence[File]) -> None:
    """By their signed links, without a token: whole and in pieces, the files are what was sent."""
    kept = files_of(result)
    for file, (_, content, _) in zip(kept, sent, strict=True):
        assert file["sha256"] == hashlib.sha256(content).hexdigest()
        assert file["size_bytes"] == len(content)
        whole = await http.get(file["url"])
        assert (whole.status_code, whole.headers["Content-Type"]) == (200, file["media_type"])
        assert whole.content == content
        assert await _in_pieces(http, file["url"], len(content)) == content


async def _in_pieces(http: httpx.AsyncClient, url: str, size_bytes: int) -> bytes:
    pieces, step = [], -(-size_bytes // PIECES)
    for first in range(0, size_bytes, step):
        last = min(first + step, size_bytes) - 1
        piece = await http.get(url, headers={"Range": f"bytes={first}-{last}"})
        assert piece.status_code == 206
        assert piece.headers["Content-Range"] == f"bytes {first}-{last}/{size_bytes}"
        pieces.append(piece.content)
    return b"".join(pieces)
