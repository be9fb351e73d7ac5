"""Double marking over HTTP and the socket: blind, and nothing of it for the student but the result."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import httpx
import orjson
import pytest

from storage.domain.people import Role
from tests.conftest import Tokens
from tests.handlers.plain_socket import connected_socket
from tests.handlers.refusals import Refusal
from tests.handlers.reviews import QUEUE, Cast, Json, grade, read, result_path, review_path, unsigned
from tests.handlers.uploads import submit_speaking, submit_writing

TWICE = {"second_mark_percent": 100, "second_mark_threshold": 5}
pytestmark = [pytest.mark.gen_test(timeout=30), pytest.mark.settings(reviews=TWICE)]

SECRET = "words-of-the-first-marker"
AWAITS, MARKED = Refusal(409, "awaits_decision"), Refusal(409, "already_marked")


async def give(client: httpx.AsyncClient, path: str, headers: dict[str, str], **of: Any) -> Json:
    answer = await client.put(path, headers=headers, json=grade(**of))
    assert answer.status_code == 200, answer.text
    content: Json = answer.json()
    return content


async def test_two_marks_that_agree_make_the_result(client: httpx.AsyncClient, cast: Cast) -> None:
    submission = await submit_speaking(client, cast.student)
    path = review_path(submission)
    first = await give(client, path, cast.reviewer, score=60)
    assert (first["status"], first["revision"], first["score"]) == ("pending", 1, None)
    second = await give(client, path, cast.colleague, score=64.25, comment="Fluent.")
    assert (second["status"], second["revision"], second["marks"]) == ("checked", 2, [])
    result = await read(client, result_path(submission), cast.student)
    assert (result["status"], result["revision"]) == ("checked", 2)
    assert result["score"] == {"total_score": 62.25, "max_score": 75}
    assert (result["feedback"], result["reviewer"]["name"]) == ({"comment": "Fluent."}, "Reviewer 8")
    history = (await read(client, path, cast.reviewer))["history"]
    assert [(each["action"], each["by"]["id"], each["revision"]) for each in history] == [
        ("submitted", "42", 1),
        ("marked", "7", 1),
        ("marked", "8", 1),
        ("checked", "8", 2),
    ]
    assert [each["after"] and each["after"]["score"]["total_score"] for each in history] == [
        None,
        60,
        64.25,
        62.25,
    ]
    assert [each["before"] for each in history] == [None] * 4


async def test_the_second_marker_sees_nothing_of_the_first(client: httpx.AsyncClient, cast: Cast) -> None:
    submission = await submit_speaking(client, cast.student)
    path = review_path(submission)
    views = [path, QUEUE, result_path(submission)]
    before = [unsigned(await read(client, view, cast.colleague)) for view in views]
    await client.post(f"{path}claim/", headers=cast.reviewer)
    await give(client, path, cast.reviewer, score=60, comment=SECRET)
    for headers in (cast.colleague, cast.admin):
        assert [unsigned(await read(client, view, headers)) for view in views] == before
    assert SECRET not in (await client.patch(path, headers=cast.colleague, json={"revision": 1})).text


async def test_neither_figures_nor_files_tell_the_second_marker_of_the_first(
    client: httpx.AsyncClient, cast: Cast, base_url: str, tokens: Tokens
) -> None:
    submission = await submit_speaking(client, cast.student)
    path = review_path(submission)

    async def seen() -> list[Any]:
        figures = await read(client, f"{QUEUE}stats/?until=2999-01-01&since=2998-12-01", cast.admin)
        archive = await client.get(f"{path}files.zip", headers=cast.colleague)
        table = await client.get(f"{QUEUE}export.csv", headers=cast.admin)
        async with connected_socket(base_url, tokens.mint("8", Role.REVIEWER)) as desk:
            snapshot = (await desk.subscribe("queue:speaking"))["data"]
        del snapshot["as_of"]
        del figures["as_of"]
        assert SECRET.encode() not in archive.content
        document = zipfile.ZipFile(io.BytesIO(archive.content)).read("submission.json")
        return [figures, unsigned(orjson.loads(document)), table.text, unsigned(snapshot)]

    before = await seen()
    await give(client, path, cast.reviewer, score=60, comment=SECRET)
    assert await seen() == before


async def test_the_first_marker_sees_their_own_mark_and_cannot_come_again(
    client: httpx.AsyncClient, cast: Cast
) -> None:
    path = review_path(await submit_speaking(client, cast.student))
    given = await give(client, path, cast.reviewer, score=60)
    (own,) = given["marks"]
    assert (own["score"]["total_score"], own["reviewer"]["id"]) == (60, "7")
    assert [each["action"] for each in given["history"]] == ["submitted", "marked"]
    for answer in (
        await client.put(path, headers=cast.reviewer, json=grade()),
        await client.post(f"{path}claim/", headers=cast.reviewer),
        await client.patch(path, headers=cast.reviewer, json={"revision": 1}),
    ):
        MARKED.check(answer)
        assert answer.json()["current"]["marks"] == [own]


async def test_marks_that_lie_too_far_apart_go_to_an_admin(client: httpx.AsyncClient, cast: Cast) -> None:
    submission = await submit_speaking(client, cast.student)
    path = review_path(submission)
    await give(client, path, cast.reviewer, score=60)
    second = await give(client, path, cast.colleague, score=65.25)
    assert (second["status"], second["revision"], second["awaits_decision"]) == ("pending", 1, True)
    for headers, own in ((cast.reviewer, 60), (cast.colleague, 65.25)):
        shown = await read(client, path, headers)
        assert [mark["score"]["total_score"] for mark in shown["marks"]] == [own]
        assert len(shown["history"]) == 2
        AWAITS.check(await client.put(path, headers=headers, json=grade()))
        AWAITS.check(await client.post(f"{path}claim/", headers=headers))
    both = await read(client, path, cast.admin)
    assert [mark["score"]["total_score"] for mark in both["marks"]] == [60, 65.25]
    decided = await give(client, path, cast.admin, score=61, comment="Decided.")
    assert (decided["status"], decided["revision"], decided["awaits_decision"]) == ("checked", 2, False)
    result = await read(client, result_path(submission), cast.student)
    assert (result["score"]["total_score"], result["reviewer"]["name"]) == (61, "Head")
    history = (await read(client, path, cast.reviewer))["history"]
    assert [each["action"] for each in history] == ["submitted", "marked", "marked", "checked"]


async def test_an_admin_lists_what_awaits_a_decision(client: httpx.AsyncClient, cast: Cast) -> None:
    made = [await submit_speaking(client, cast.student, 101 + place) for place in range(4)]
    for submission, second in zip(made[:3], (60, 20, 30), strict=True):
        await give(client, review_path(submission), cast.reviewer, score=60)
        await give(client, review_path(submission), cast.colleague, score=second)
    asked = f"{QUEUE}?awaits_decision=true"
    first = await read(client, f"{asked}&section_type=speaking&limit=1", cast.admin)
    rest = await read(client, f"{asked}&cursor={first['next']}", cast.admin)
    assert [each["id"] for each in (*first["results"], *rest["results"])] == [made[1]["id"], made[2]["id"]]
    assert rest["next"] is None
    await give(client, review_path(made[1]), cast.admin, score=40)
    left = await read(client, asked, cast.admin)
    assert [(each["id"], each["awaits_decision"]) for each in left["results"]] == [(made[2]["id"], True)]
    Refusal(403, "forbidden").check(await client.get(asked, headers=cast.reviewer))
    Refusal(400, "invalid").check(await client.get(f"{asked}&status=checked", headers=cast.admin))


async def test_the_student_never_hears_that_there_were_two_marks(
    client: httpx.AsyncClient, cast: Cast, base_url: str, tokens: Tokens
) -> None:
    async with (
        connected_socket(base_url, tokens.mint("42")) as student,
        connected_socket(base_url, tokens.mint("9", Role.REVIEWER)) as desk,
    ):
        await desk.subscribe("queue:speaking")
        submission = await submit_speaking(client, cast.student)
        path = review_path(submission)
        first = await read(client, result_path(submission), cast.student)
        await give(client, path, cast.reviewer, score=30, comment=SECRET)
        after_one = await read(client, result_path(submission), cast.student)
        await give(client, path, cast.colleague, score=60)
        after_two = await read(client, result_path(submission), cast.student)
        result = await give(client, path, cast.admin, score=61)
        heard = [await student.publication() for _ in range(2)]
        queue = [await desk.publication() for _ in range(4)]
    assert unsigned(first) == unsigned(after_one) == unsigned(after_two)
    assert [each.data["type"] for each in heard] == ["submission.created", "submission.checked"]
    assert [each.data["submission"]["revision"] for each in heard] == [1, 2]
    assert heard[1].data["submission"]["reviewed_at"] == result["reviewed_at"]
    assert heard[1].data["submission"].keys() == heard[0].data["submission"].keys() == first.keys()
    assert [each.data["type"] for each in queue] == [
        "submission.created",
        "submission.released",
        "submission.released",
        "submission.checked",
    ]
    assert [each.data["submission"]["awaits_decision"] for each in queue] == [False, False, True, False]
    assert SECRET not in str((heard, queue))


async def test_what_was_reopened_needs_one_grade(client: httpx.AsyncClient, cast: Cast) -> None:
    path = review_path(await submit_speaking(client, cast.student))
    await give(client, path, cast.reviewer, score=60)
    await give(client, path, cast.colleague, score=61)
    await client.post(f"{path}reopen/", headers=cast.admin)
    assert (await give(client, path, cast.reviewer, revision=3, score=70))["status"] == "checked"


@pytest.mark.settings(reviews=TWICE, submissions={"resubmission": "replace_pending"})
async def test_other_contents_are_marked_anew(client: httpx.AsyncClient, cast: Cast) -> None:
    submission = await submit_writing(client, cast.student)
    path = review_path(submission)

    async def mark(headers: dict[str, str], revision: int, task2: float) -> Json:
        body = {"revision": revision, "score": {"task1_score": 20, "task2_score": task2}}
        answer = await client.put(path, headers=headers, json=body)
        assert answer.status_code == 200, answer.text
        content: Json = answer.json()
        return content

    await mark(cast.reviewer, 1, 10)
    replaced = await submit_writing(client, cast.student, seed=1)
    assert replaced["id"] == submission["id"]
    Refusal(409, "stale_revision").check(
        await client.put(
            path,
            headers=cast.colleague,
            json={"revision": 1, "score": {"task1_score": 20, "task2_score": 10}},
        )
    )
    assert (await mark(cast.reviewer, 2, 40))["status"] == "pending"
    assert (await mark(cast.colleague, 2, 40.5))["score"]["task2_score"] == 40.25
    await client.post(f"{path}reopen/", headers=cast.admin)
    await submit_writing(client, cast.student, seed=2)
    assert (await mark(cast.reviewer, 5, 30))["status"] == "pending"
    assert (await mark(cast.colleague, 5, 30))["status"] == "checked"


@pytest.mark.settings(reviews={"second_mark_percent": 0})
async def test_by_default_one_grade_is_enough(client: httpx.AsyncClient, cast: Cast) -> None:
    path = review_path(await submit_speaking(client, cast.student))
    assert (await give(client, path, cast.reviewer))["status"] == "checked"
