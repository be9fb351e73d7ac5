"""Idempotency-Key and receipts (design section 3, *Doing it twice*; promise 4)."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from server.services import Built
from storage.domain.submission_life import MAX_RECEIPTS
from tests.forms import Part, encode, file, text
from tests.handlers.kept import Kept
from tests.handlers.refusals import Headers, Refusal, covers
from tests.handlers.reviews import Cast, read, result_path, review_path, unsigned, writing_grade
from tests.handlers.uploads import (
    FORM,
    page,
    send,
    speaking_form,
    upload_head,
    without,
    writing_form,
)
from tests.handlers.wire import Wire, connect
from tests.media_samples import not_media, padded, photo
from tests.people import SPEAKING, WRITING

pytestmark = pytest.mark.gen_test(timeout=30)

AT_ONCE = 10
KEY = "3f1b8a52-9c0e-4a57-8f25-7b6d4c1e0a99"
REUSED = Refusal(422, "key_reused")
REPLACING = pytest.mark.settings(submissions={"resubmission": "replace_pending"})


def keyed(headers: Headers, key: str = KEY) -> Headers:
    return headers | {"Idempotency-Key": key}


def receipt_path(key: str = KEY) -> str:
    return f"/multilevel/receipts/{key}/"


@pytest.mark.parametrize(("path", "form"), [(WRITING, writing_form()), (SPEAKING, speaking_form())])
async def test_a_repeat_gets_the_first_answer_and_nothing_of_it_is_stored(
    path: str, form: list[Part], client: httpx.AsyncClient, cast: Cast, kept: Kept
) -> None:
    first = await send(client, path, form, keyed(cast.student))
    async with kept.unchanged():
        again = await send(client, path, form, keyed(cast.student))
    assert first.status_code == again.status_code == 201
    assert unsigned(again.json()) == unsigned(first.json())


async def test_a_repeat_is_not_on_the_disk_while_it_streams_either(
    client: httpx.AsyncClient, base_url: str, cast: Cast, kept: Kept
) -> None:
    form = [*writing_form(), file("task1_image2", padded(photo(), 4 << 20))]
    first = await send(client, WRITING, form, keyed(cast.student))
    body = encode(form)
    async with kept.unchanged(), connect(base_url) as wire:
        await wire.send(upload_head(WRITING, len(body), keyed(cast.student)), body[:-100])
        assert (await client.get("/healthz")).status_code == 200  # by now the server has read most of it
        assert len(kept.files()) == 3
        await wire.send(body[-100:])
        answer = await wire.answer()
    assert answer.status_code == 201
    assert unsigned(answer.json()) == unsigned(first.json())


@covers(422, "key_reused")
async def test_other_contents_under_a_key_are_refused_whatever_else_would_apply(
    refusal: Refusal, client: httpx.AsyncClient, cast: Cast, kept: Kept
) -> None:
    await send(client, WRITING, writing_form(), keyed(cast.student))
    other = {
        "other pages (else 409)": (WRITING, writing_form(seed=1)),
        "another test (else 201)": (WRITING, writing_form(124)),
        "another exam": (WRITING, [*without(writing_form(), "exam_id"), text("exam_id", 457)]),
        "a page too few (else 400)": (WRITING, without(writing_form(), "task2_image1")),
        "a page too many (else 409)": (WRITING, [*writing_form(), file("task1_image2", page(9))]),
        "no picture (else 415)": (WRITING, [*writing_form(), file("task1_image2", not_media()["pdf"])]),
        "too large (else 413)": (
            WRITING,
            [*writing_form(), file("task1_image2", padded(photo(), (10 << 20) + 1))],
        ),
        "another section (else 201)": (SPEAKING, speaking_form()),
    }
    async with kept.unchanged():
        for path, form in other.values():
            await refusal.expect_of(client, "POST", path, keyed(cast.student) | FORM, content=encode(form))
        await refusal.expect_of(client, "POST", WRITING, keyed(cast.student), json={})
        await refusal.expect_of(
            client, "POST", WRITING, keyed(cast.student) | FORM, content=encode(writing_form())[:-9]
        )


async def test_a_key_is_one_students_own(client: httpx.AsyncClient, cast: Cast, kept: Kept) -> None:
    mine = await send(client, WRITING, writing_form(), keyed(cast.student))
    theirs = await send(client, WRITING, writing_form(seed=1), keyed(cast.other_student))
    assert mine.json()["id"] != theirs.json()["id"]
    assert await kept.submissions() == 2


async def test_only_a_201_is_remembered(client: httpx.AsyncClient, cast: Cast) -> None:
    wrong = await send(client, WRITING, without(writing_form(), "exam_id"), keyed(cast.student))
    assert wrong.status_code == 400
    Refusal(404, "not_found").check(await client.get(receipt_path(), headers=cast.student))
    right = await send(client, WRITING, writing_form(), keyed(cast.student))
    assert right.status_code == 201


async def test_a_receipt_is_the_first_answers_body_whatever_became_of_it(
    client: httpx.AsyncClient, cast: Cast
) -> None:
    first = (await send(client, WRITING, writing_form(), keyed(cast.student))).json()
    await client.put(review_path(first), headers=cast.reviewer, json=writing_grade())
    assert unsigned(await read(client, receipt_path(), cast.student)) == unsigned(first)
    again = await send(client, WRITING, writing_form(), keyed(cast.student))
    assert unsigned(again.json()) == unsigned(first)
    assert (await read(client, result_path(first), cast.student))["status"] == "checked"


async def test_a_receipt_is_nobody_elses(client: httpx.AsyncClient, cast: Cast) -> None:
    await send(client, WRITING, writing_form(), keyed(cast.student))
    Refusal(404, "not_found").check(await client.get(receipt_path(), headers=cast.other_student))
    Refusal(403, "forbidden").check(await client.get(receipt_path(), headers=cast.reviewer))
    Refusal(401, "unauthenticated").check(await client.get(receipt_path()))


async def test_the_same_contents_under_a_new_key_are_the_first_again_and_the_key_stands_for_them(
    client: httpx.AsyncClient, cast: Cast, kept: Kept
) -> None:
    first = await send(client, WRITING, writing_form(), cast.student)
    async with kept.unchanged():
        again = await send(client, WRITING, writing_form(), keyed(cast.student))
    assert again.status_code == 201
    assert unsigned(again.json()) == unsigned(first.json())
    assert unsigned(await read(client, receipt_path(), cast.student)) == unsigned(first.json())
    REUSED.check(await send(client, WRITING, writing_form(seed=1), keyed(cast.student)))


@REPLACING
async def test_each_key_stands_for_what_it_brought_also_once_that_was_replaced(
    client: httpx.AsyncClient, cast: Cast, kept: Kept
) -> None:
    first = (await send(client, WRITING, writing_form(), keyed(cast.student, "key-one"))).json()
    second = (await send(client, WRITING, writing_form(seed=1), keyed(cast.student, "key-two"))).json()
    assert (second["id"], second["revision"]) == (first["id"], 2)
    async with kept.unchanged():
        for key, seed, body in (("key-one", 0, first), ("key-two", 1, second)):
            again = await send(client, WRITING, writing_form(seed=seed), keyed(cast.student, key))
            assert unsigned(again.json()) == unsigned(body)
            assert unsigned(await read(client, receipt_path(key), cast.student)) == unsigned(body)
        REUSED.check(await send(client, WRITING, writing_form(seed=1), keyed(cast.student, "key-one")))


async def test_keys_of_one_submission_are_bounded(client: httpx.AsyncClient, cast: Cast) -> None:
    for number in range(MAX_RECEIPTS + 2):
        answer = await send(client, WRITING, writing_form(), keyed(cast.student, f"key-{number}"))
        assert answer.status_code == 201
    assert (await client.get(receipt_path("key-0"), headers=cast.student)).status_code == 404
    newest = f"key-{MAX_RECEIPTS + 1}"
    assert (await client.get(receipt_path(newest), headers=cast.student)).status_code == 200


@pytest.mark.parametrize("keys", ["one key", "a key each"])
async def test_identical_uploads_at_once_make_one_submission(
    keys: str, client: httpx.AsyncClient, cast: Cast, kept: Kept
) -> None:
    names = [KEY if keys == "one key" else f"key-{number}" for number in range(AT_ONCE)]
    answers = await asyncio.gather(
        *(send(client, WRITING, writing_form(), keyed(cast.student, name)) for name in names)
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert await kept.submissions() == 1
    assert len(kept.files()) == 2
    for name in names:
        assert (await read(client, receipt_path(name), cast.student))["id"] == answers[0].json()["id"]


async def test_of_different_uploads_under_one_key_at_once_one_is_taken(
    client: httpx.AsyncClient, cast: Cast, kept: Kept
) -> None:
    forms = [writing_form(number, seed=number) for number in range(1, AT_ONCE + 1)]
    answers = await asyncio.gather(*(send(client, WRITING, form, keyed(cast.student)) for form in forms))
    (won,) = (answer for answer in answers if answer.status_code == 201)
    for lost in answers:
        if lost is not won:
            REUSED.check(lost)
    assert await kept.submissions() == 1
    assert len(kept.files()) == 2
    assert (await read(client, receipt_path(), cast.student))["id"] == won.json()["id"]


async def test_the_index_alone_keeps_a_key_to_one_submission(
    client: httpx.AsyncClient, cast: Cast, kept: Kept, built: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As two processes would, which know nothing of each other's uploads until they record them."""

    async def nobody_else(*_: object) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr(built.services.keys_in_progress, "let_earlier_end", nobody_else)
    answers = await asyncio.gather(
        *(
            send(client, WRITING, writing_form(number, seed=number), keyed(cast.student))
            for number in range(1, AT_ONCE + 1)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [201, *[422] * (AT_ONCE - 1)]
    assert await kept.submissions() == 1
    assert len(kept.files()) == 2


async def half_sent(wire: Wire, body: bytes, headers: Headers) -> None:
    await wire.send(upload_head(WRITING, len(body), headers), body[: len(body) // 2])


async def test_a_repeat_waits_for_a_first_that_still_comes_in(
    client: httpx.AsyncClient, base_url: str, cast: Cast
) -> None:
    body = encode(writing_form())
    async with connect(base_url) as wire:
        await half_sent(wire, body, keyed(cast.student))
        repeat = asyncio.ensure_future(send(client, WRITING, writing_form(2, seed=1), keyed(cast.student)))
        await asyncio.wait([repeat], timeout=0.5)
        assert not repeat.done()
        await wire.send(body[len(body) // 2 :])
        assert (await wire.answer()).status_code == 201
        REUSED.check(await repeat)


async def test_a_repeat_takes_the_place_of_a_first_whose_sender_is_gone(
    client: httpx.AsyncClient, base_url: str, cast: Cast, kept: Kept
) -> None:
    body = encode(writing_form())
    async with connect(base_url) as wire:
        await half_sent(wire, body, keyed(cast.student))
        repeat = asyncio.ensure_future(send(client, WRITING, writing_form(), keyed(cast.student)))
        await asyncio.wait([repeat], timeout=0.2)
        wire.abort()
        assert (await repeat).status_code == 201
    assert await kept.submissions() == 1


async def test_a_repeat_overtakes_a_first_that_went_silent_and_both_are_answered_the_same(
    client: httpx.AsyncClient, base_url: str, cast: Cast, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a server sees of a phone that lost its network and sends again over another one."""
    monkeypatch.setattr("handlers.keys_in_progress._SILENT_SECONDS", 0.1)
    body = encode(writing_form())
    async with connect(base_url) as wire:
        await half_sent(wire, body, keyed(cast.student))
        repeat = await send(client, WRITING, writing_form(), keyed(cast.student))
        assert repeat.status_code == 201
        await wire.send(body[len(body) // 2 :])
        late = await wire.answer()
    assert unsigned(late.json()) == unsigned(repeat.json())
    assert await kept.submissions() == 1


@covers(409, "in_progress")
async def test_a_repeat_waits_only_so_long_for_a_first_that_keeps_coming(
    refusal: Refusal, client: httpx.AsyncClient, base_url: str, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("handlers.keys_in_progress._WAIT_SECONDS", 0.1)
    body = encode(writing_form())
    async with connect(base_url) as wire:
        await half_sent(wire, body, keyed(cast.student))
        answer = await refusal.expect_of(client, "POST", WRITING, keyed(cast.student) | FORM, content=body)
        assert int(answer.headers["Retry-After"]) > 0
        await wire.send(body[len(body) // 2 :])
        assert (await wire.answer()).status_code == 201


@pytest.mark.parametrize("key", ["", "a b", "clé", "x" * 256])
async def test_what_is_no_key_is_refused(key: str, client: httpx.AsyncClient, cast: Cast, kept: Kept) -> None:
    headers = {name.encode(): value.encode() for name, value in (cast.student | FORM).items()}
    answer = await client.post(
        WRITING,
        content=encode(writing_form()),
        headers=[*headers.items(), (b"Idempotency-Key", key.encode("latin-1"))],
    )
    Refusal(400, "invalid").check(answer)
    assert list(answer.json()["details"]) == ["Idempotency-Key"]
    await kept.assert_nothing()


async def test_a_quoted_key_is_the_key_within(client: httpx.AsyncClient, cast: Cast) -> None:
    first = await send(client, WRITING, writing_form(), keyed(cast.student, f'"{KEY}"'))
    assert (await read(client, receipt_path(), cast.student))["id"] == first.json()["id"]


async def test_a_key_may_have_any_visible_character(client: httpx.AsyncClient, cast: Cast) -> None:
    key = "a/b?c=d&e#f%41+g"
    first = await send(client, WRITING, writing_form(), keyed(cast.student, key))
    path = receipt_path("a%2Fb%3Fc%3Dd%26e%23f%2541%2Bg")
    assert (await read(client, path, cast.student))["id"] == first.json()["id"]
