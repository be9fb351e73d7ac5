"""The API document's own examples, request by request, sent as its frontend sends them."""

from __future__ import annotations

import httpx
import pytest

from tests.handlers.examples import (
    SPEAKING_CREATED,
    SPEAKING_RESULT,
    SPEAKING_TEXTS,
    WRITING_CREATED,
    WRITING_RESULT,
    WRITING_TEXTS,
    assert_has_all_of,
    part_files,
    post,
    speaking_form,
    writing_files,
)
from tests.handlers.reviews import Cast, Json, read, result_path, review_path, unsigned
from tests.media_samples import RECORDINGS, recording
from tests.people import SPEAKING, WRITING

pytestmark = pytest.mark.gen_test(timeout=60)


async def grade_as_shown(
    client: httpx.AsyncClient, cast: Cast, created: Json, example: Json, score: Json
) -> None:
    """What the reviewer does between the document's two examples."""
    body = {"revision": created["revision"], "score": score, "feedback": example["feedback"]}
    answer = await client.put(review_path(created), headers=cast.reviewer, json=body)
    assert answer.status_code == 200


def assert_same_submission(result: Json, created: Json) -> None:
    for name in ("id", "manual_review_id", "user_test_id", "submitted_at"):
        assert result[name] == created[name]
    assert result["reviewed_at"] == result["reviewer"]["reviewed_at"] >= result["submitted_at"]


async def test_writing_answers_are_submitted(client: httpx.AsyncClient, cast: Cast) -> None:
    files = writing_files()
    answer = await post(client, WRITING, WRITING_TEXTS, files, cast.student)
    assert answer.status_code == 201
    body = answer.json()
    assert_has_all_of(WRITING_CREATED, body)
    letter, essay = body["questions"]
    assert (len(letter["images"]), len(essay["images"])) == (2, 3)
    for image, (_, content, media_type) in zip(
        letter["images"] + essay["images"], files.values(), strict=True
    ):
        shown = await client.get(image["url"])
        assert (shown.status_code, shown.headers["Content-Type"]) == (200, media_type)
        assert shown.content == content


async def test_a_writing_result_is_shown_once_checked(client: httpx.AsyncClient, cast: Cast) -> None:
    created = (await post(client, WRITING, WRITING_TEXTS, writing_files(), cast.student)).json()
    pending = await read(client, result_path(created), cast.student)
    assert pending["status"] == "pending"
    assert [pending[name] for name in ("reviewed_at", "score", "feedback", "reviewer")] == [None] * 4
    await grade_as_shown(client, cast, created, WRITING_RESULT, {"task1_score": 20.5, "task2_score": 45.0})
    result = await read(client, result_path(created), cast.student)
    assert_has_all_of(WRITING_RESULT, result)
    assert_same_submission(result, created)


async def test_speaking_answers_are_submitted(client: httpx.AsyncClient, cast: Cast) -> None:
    texts, files = speaking_form()
    answer = await post(client, SPEAKING, texts | {"test_result_id": "123"}, files, cast.student)
    assert answer.status_code == 201
    body = answer.json()
    assert_has_all_of(SPEAKING_CREATED, body)
    assert body["id"] == body["test_result_id"]
    assert [question["question"] for question in body["questions"]] == list(range(101, 109))
    for question, (_, content, _) in zip(body["questions"], files.values(), strict=True):
        assert (await client.get(question["audio"]["url"])).content == content


async def test_speaking_answers_are_submitted_by_part(client: httpx.AsyncClient, cast: Cast) -> None:
    answer = await post(client, SPEAKING, SPEAKING_TEXTS, part_files(), cast.student)
    assert answer.status_code == 201
    body = answer.json()
    assert_has_all_of(SPEAKING_CREATED | {"audios_count": 3}, body)
    assert (body["user_test_id"], body["exam_id"], body["section_type"]) == (123, 456, "speaking")
    assert [question["question_type"] for question in body["questions"]] == ["part1", "part2", "part3"]


async def test_a_speaking_result_is_shown_once_checked(client: httpx.AsyncClient, cast: Cast) -> None:
    created = (await post(client, SPEAKING, SPEAKING_TEXTS, part_files(), cast.student)).json()
    await grade_as_shown(client, cast, created, SPEAKING_RESULT, {"total_score": 70})
    result = await read(client, result_path(created), cast.student)
    assert_has_all_of(SPEAKING_RESULT, result)
    assert_same_submission(result, created)


async def test_every_supported_audio_format_is_accepted(
    client: httpx.AsyncClient, cast: Cast, subtests: pytest.Subtests
) -> None:
    """The content decides; that everything is declared to be bytes does not count."""
    for kind, media_type in RECORDINGS.items():
        with subtests.test(kind):
            file = ("recording", recording(kind, 0.2), "application/octet-stream")
            files = {"answers[0][speaking_audio]": file}
            answer = await post(client, SPEAKING, {"answers[0][question]": "101"}, files, cast.student)
            assert answer.status_code == 201
            assert answer.json()["questions"][0]["audio"]["media_type"] == media_type


async def test_both_authorization_schemes_are_equal(client: httpx.AsyncClient, cast: Cast) -> None:
    token = cast.student["Authorization"].removeprefix("Bearer ")
    for scheme in ("Bearer", "Token", "bearer", "TOKEN"):
        headers = {"Authorization": f"{scheme} {token}"}
        created = await post(client, SPEAKING, SPEAKING_TEXTS, part_files(), headers)
        assert created.status_code == 201
        assert (await read(client, result_path(created.json()), headers))["id"] == created.json()["id"]


async def test_every_path_works_with_and_without_its_trailing_slash(
    client: httpx.AsyncClient, cast: Cast
) -> None:
    created = [
        (await post(client, path, WRITING_TEXTS, writing_files(), cast.student)).json()
        for path in (WRITING, WRITING.rstrip("/"))
    ]
    assert created[0]["id"] == created[1]["id"]
    spoken = await post(client, SPEAKING.rstrip("/"), SPEAKING_TEXTS, part_files(), cast.student)
    assert spoken.status_code == 201
    review = review_path(created[0])
    for path, headers in (
        (result_path(created[0]), cast.student),
        ("/multilevel/test-results/", cast.student),
        (review, cast.reviewer),
        ("/multilevel/manual-reviews/", cast.reviewer),
    ):
        bare = await read(client, path.rstrip("/"), headers)
        assert unsigned(bare) == unsigned(await read(client, path, headers))
    for end in ("claim", "claim/"):
        assert (await client.post(review + end, headers=cast.reviewer)).status_code == 200
        assert (await client.delete(review + end, headers=cast.reviewer)).status_code == 204
    for end in ("reopen", "reopen/"):
        assert (await client.post(review + end, headers=cast.admin)).status_code == 409
