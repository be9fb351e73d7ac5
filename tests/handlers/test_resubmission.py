"""The same thing sent twice, and other things sent again (design section 3, *Doing it twice*; promise 4)."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from tests.forms import Part, file, text
from tests.handlers.kept import Kept
from tests.handlers.refusals import Refusal
from tests.handlers.reviews import Cast, read, result_path, review_path, unsigned, writing_grade
from tests.handlers.tokens import bearer, signed
from tests.handlers.uploads import (
    page,
    send,
    sound,
    speaking_form,
    submit_speaking,
    submit_writing,
    writing_form,
)
from tests.people import SPEAKING, WRITING, files_of

pytestmark = pytest.mark.gen_test(timeout=30)

AT_ONCE = 10
ALREADY = Refusal(409, "already_submitted")
REPLACING = pytest.mark.settings(submissions={"resubmission": "replace_pending"})


def renamed(parts: list[Part]) -> list[Part]:
    """The same contents under other file names, as another try of a browser may send them."""
    return [
        Part(part.name, part.content, f"again-{part.filename}" if part.filename else None) for part in parts
    ]


def naming(result_id: int, *, seed: int = 0) -> list[Part]:
    return [*speaking_form(seed=seed), text("test_result_id", result_id)]


async def test_the_same_contents_again_give_the_first_answer_again(
    client: httpx.AsyncClient, cast: Cast, kept: Kept
) -> None:
    for path, form in ((WRITING, writing_form()), (SPEAKING, speaking_form())):
        first = await send(client, path, form, cast.student)
        async with kept.unchanged():
            again = await send(client, path, renamed(form), cast.student)
        assert again.status_code == first.status_code == 201
        assert unsigned(again.json()) == unsigned(first.json())


async def test_the_same_contents_after_the_grade_give_the_first_answer_again(
    client: httpx.AsyncClient, cast: Cast
) -> None:
    first = await submit_writing(client, cast.student)
    await client.put(review_path(first), headers=cast.reviewer, json=writing_grade())
    again = await submit_writing(client, cast.student)
    assert unsigned(again) == unsigned(first)
    assert (await read(client, result_path(first), cast.student))["status"] == "checked"


@pytest.mark.parametrize("path", [WRITING, SPEAKING])
async def test_identical_uploads_at_once_make_one_submission(
    path: str, client: httpx.AsyncClient, cast: Cast, kept: Kept
) -> None:
    form = writing_form() if path == WRITING else speaking_form()
    answers = await asyncio.gather(*(send(client, path, form, cast.student) for _ in range(AT_ONCE)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert await kept.submissions() == 1
    assert len(kept.files()) == len(files_of(answers[0].json()))
    for each in files_of(answers[-1].json()):
        assert (await client.get(each["url"])).status_code == 200


async def test_different_uploads_for_one_test_at_once_make_one_submission(
    client: httpx.AsyncClient, cast: Cast, kept: Kept
) -> None:
    answers = await asyncio.gather(
        *(send(client, WRITING, writing_form(seed=seed), cast.student) for seed in range(AT_ONCE))
    )
    (won,) = (answer.json() for answer in answers if answer.status_code == 201)
    for lost in (answer for answer in answers if answer.status_code != 201):
        ALREADY.check(lost)
        assert lost.json()["id"] == won["id"]
    assert await kept.submissions() == 1
    assert len(kept.files()) == len(files_of(won))


async def test_a_number_and_its_text_are_one_user(client: httpx.AsyncClient, kept: Kept) -> None:
    as_number, as_text = bearer(signed(user_id=42)), bearer(signed(user_id="42"))
    first = await submit_writing(client, as_number)
    assert (await submit_writing(client, as_text))["id"] == first["id"]
    assert await kept.submissions() == 1
    assert (await read(client, result_path(first), as_text))["id"] == first["id"]
    assert (await client.get(files_of(first)[0]["url"].partition("?")[0], headers=as_text)).status_code == 200


async def test_each_student_section_and_test_has_a_submission_of_its_own(
    client: httpx.AsyncClient, cast: Cast, kept: Kept
) -> None:
    by_part = [text("user_test_id", 123), text("exam_id", 456), text("section_type", "speaking")]
    created = [
        await submit_writing(client, cast.student),
        await submit_writing(client, cast.other_student),
        await submit_writing(client, cast.student, user_test_id=124),
        (await send(client, SPEAKING, [*by_part, file("part1_audio", sound())], cast.student)).json(),
        await submit_speaking(client, cast.student),
        await submit_speaking(client, cast.student, seed=1),
        await submit_speaking(client, cast.student, question=102),
    ]
    assert len({each["id"] for each in created}) == len({each["manual_review_id"] for each in created}) == 7
    assert await kept.submissions() == 7


@REPLACING
async def test_a_replacement_takes_the_pending_one_s_place(
    client: httpx.AsyncClient, cast: Cast, kept: Kept
) -> None:
    first = await submit_writing(client, cast.student)
    new = [*writing_form(seed=1), file("task2_image2", page(9))]
    answer = await send(client, WRITING, new, cast.student)
    assert answer.status_code == 201
    second = answer.json()
    for name in ("id", "test_result_id", "manual_review_id", "user_test_id"):
        assert second[name] == first[name]
    assert (second["revision"], second["status"]) == (2, "pending")
    assert unsigned(await read(client, result_path(first), cast.student)) == unsigned(second)
    assert len(kept.files()) == len(files_of(second)) == 3
    assert await kept.submissions() == 1
    assert (await client.get(files_of(first)[0]["url"])).status_code == 404
    stale = await client.put(review_path(first), headers=cast.reviewer, json=writing_grade(revision=1))
    Refusal(409, "stale_revision").check(stale)


@REPLACING
async def test_a_claim_neither_keeps_a_student_from_replacing_nor_outlives_it(
    client: httpx.AsyncClient, cast: Cast
) -> None:
    first = await submit_writing(client, cast.student)
    await client.post(f"{review_path(first)}claim/", headers=cast.reviewer)
    second = await submit_writing(client, cast.student, seed=1)
    assert second["id"] == first["id"]
    now = await read(client, review_path(first), cast.reviewer)
    assert now["claim"] is None
    assert [entry["action"] for entry in now["history"]] == ["submitted", "replaced"]


@REPLACING
async def test_a_checked_submission_is_never_replaced(
    client: httpx.AsyncClient, cast: Cast, kept: Kept
) -> None:
    first = await submit_writing(client, cast.student)
    await client.put(review_path(first), headers=cast.reviewer, json=writing_grade())
    async with kept.unchanged():
        ALREADY.check(await send(client, WRITING, writing_form(seed=1), cast.student))


@REPLACING
async def test_of_replacements_at_once_one_is_there_in_the_end(
    client: httpx.AsyncClient, cast: Cast, kept: Kept
) -> None:
    first = await submit_writing(client, cast.student)
    answers = await asyncio.gather(
        *(send(client, WRITING, writing_form(seed=seed), cast.student) for seed in range(1, AT_ONCE))
    )
    assert {answer.status_code for answer in answers} <= {201, 409}
    now = await read(client, result_path(first), cast.student)
    assert await kept.submissions() == 1
    assert len(kept.files()) == len(files_of(now)) == 2
    for each in files_of(now):
        assert (await client.get(each["url"])).status_code == 200


async def test_an_earlier_result_named_with_the_same_contents_is_given_again(
    client: httpx.AsyncClient, cast: Cast, kept: Kept
) -> None:
    first = await submit_speaking(client, cast.student)
    async with kept.unchanged():
        again = await send(client, SPEAKING, naming(first["id"]), cast.student)
    assert again.status_code == 201
    assert unsigned(again.json()) == unsigned(first)


async def test_an_earlier_result_named_with_other_contents_is_a_conflict(
    client: httpx.AsyncClient, cast: Cast, kept: Kept
) -> None:
    first = await submit_speaking(client, cast.student)
    async with kept.unchanged():
        answer = await send(client, SPEAKING, naming(first["id"], seed=1), cast.student)
    ALREADY.check(answer)
    assert answer.json()["id"] == first["id"]


@REPLACING
async def test_an_earlier_result_named_with_other_contents_is_replaced_where_that_is_allowed(
    client: httpx.AsyncClient, cast: Cast, kept: Kept
) -> None:
    first = await submit_speaking(client, cast.student)
    answer = await send(client, SPEAKING, naming(first["id"], seed=1), cast.student)
    assert answer.status_code == 201
    assert (answer.json()["id"], answer.json()["revision"]) == (first["id"], 2)
    assert len(kept.files()) == 1


async def test_an_unknown_result_is_kept_as_an_id_of_somebody_else_s(
    client: httpx.AsyncClient, cast: Cast
) -> None:
    theirs = await submit_speaking(client, cast.other_student)
    written = await submit_writing(client, cast.student)
    for seed, unknown in enumerate((987_654, theirs["id"], written["id"]), start=1):
        answer = await send(client, SPEAKING, naming(unknown, seed=seed), cast.student)
        assert answer.status_code == 201
        assert answer.json()["external_result_id"] == unknown
        assert answer.json()["id"] not in {unknown, theirs["id"], written["id"]}
