"""After the 201: what student and reviewer hear and see of an examination, through HTTP and the socket."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import httpx
import pytest
from PIL import Image

from handlers.base import Application
from server.services import Built
from server.settings import Settings
from storage.domain.people import Role
from storage.domain.photo_metadata import without_metadata
from storage.media_audit import AuditSettings, audit
from storage.media_sweep import sweep
from storage.submission_store import SubmissionStore
from tests.conftest import Tokens
from tests.forms import Part, file, text
from tests.handlers.plain_socket import connected_socket
from tests.handlers.refusals import Refusal
from tests.handlers.reviews import Cast, Json
from tests.handlers.uploads import send, submit_writing
from tests.media_samples import photo, recording
from tests.odd_media import (
    GPS,
    blank_photo,
    decompression_bomb,
    duration_of,
    noise_after_header,
    phone_photo,
    silence,
    ten_hours_long,
    truncated,
)
from tests.people import SPEAKING, WRITING, files_of
from tests.storage.uploads import grow_old, kept_on_disk

pytestmark = pytest.mark.gen_test(timeout=60)

SECRET = b"PhoneMaker"


def photos(*contents: bytes, user_test_id: int = 123) -> list[Part]:
    """The first photo for task 1, all others for task 2."""
    first, *others = contents
    return [
        text("user_test_id", user_test_id),
        text("exam_id", 456),
        file("task1_image1", first, "page.jpg"),
        *(file(f"task2_image{place}", each, "page.jpg") for place, each in enumerate(others, start=1)),
    ]


def recordings(*contents: bytes) -> list[Part]:
    form: list[Part] = []
    for place, content in enumerate(contents):
        form += [
            text(f"answers[{place}][question]", 101 + place),
            file(f"answers[{place}][speaking_audio]", content, "answer"),
        ]
    return form


async def submitted(client: httpx.AsyncClient, path: str, form: list[Part], headers: dict[str, str]) -> Json:
    answer = await send(client, path, form, headers)
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert (body["is_examined"], body["warnings"]) == (False, [])
    assert isinstance(body, dict)
    return body


async def result(client: httpx.AsyncClient, submission: Json, headers: dict[str, str]) -> Json:
    answer = await client.get(f"/multilevel/test-result/{submission['id']}/", headers=headers)
    assert answer.status_code == 200
    body = answer.json()
    assert isinstance(body, dict)
    return body


def warnings_of(submission: Json) -> list[tuple[int, str]]:
    """By the place of the file among those of the submission."""
    places = {each["id"]: place for place, each in enumerate(files_of(submission))}
    return [(places[each["file_id"]], each["code"]) for each in submission["warnings"]]


def path_of(url: str) -> str:
    return url.partition("?")[0].removeprefix("/media/")


async def test_a_phone_photo_is_served_upright_and_without_its_place_and_kept_as_it_was(
    client: httpx.AsyncClient, cast: Cast, built: Built, settings: Settings
) -> None:
    sent = phone_photo()
    created = await submitted(client, WRITING, photos(sent, phone_photo(format="PNG")), cast.student)
    assert await built.examiner.examine_next()
    seen = await result(client, created, cast.reviewer)
    assert seen["is_examined"]
    for before, after in zip(files_of(created), files_of(seen), strict=True):
        assert (after["width"], after["height"]) == (600, 800)
        assert after["sha256"] == before["sha256"]
        for url in (after["url"], after["thumbnail_url"]):
            shown = await client.get(url)
            assert shown.status_code == 200
            picture = Image.open(io.BytesIO(shown.content))
            assert picture.width < picture.height
            assert not dict(picture.getexif())
            assert SECRET not in shown.content
        original = settings.media.root / path_of(before["url"])
        assert hashlib.sha256(original.read_bytes()).hexdigest() == before["sha256"]
    assert hashlib.sha256(sent).hexdigest() == files_of(created)[0]["sha256"]


async def test_before_its_examination_a_photo_is_served_upright_and_without_its_place_too(
    client: httpx.AsyncClient, cast: Cast
) -> None:
    """By a link, and to a reviewer; the owner, by a token, may have it as it was sent."""
    sent = phone_photo()
    (first, _) = files_of(await submitted(client, WRITING, photos(sent, photo()), cast.student))
    path = first["url"].partition("?")[0]
    clean = without_metadata(sent)
    by_link = await client.get(first["url"])
    by_reviewer = await client.get(path, headers=cast.reviewer)
    assert by_link.content == by_reviewer.content == clean
    assert dict(Image.open(io.BytesIO(clean)).getexif()) == {0x0112: 6}
    by_owner = await client.get(path, headers=cast.student)
    assert by_owner.content == sent
    assert by_owner.headers["ETag"] != by_link.headers["ETag"] == by_reviewer.headers["ETag"]
    part = await client.get(first["url"], headers={"Range": "bytes=10-59"})
    assert (part.status_code, part.content) == (206, clean[10:60])
    assert part.headers["Content-Range"] == f"bytes 10-59/{len(clean)}"


async def test_the_owner_gets_the_original_afterwards_and_nobody_else(
    client: httpx.AsyncClient, cast: Cast, built: Built
) -> None:
    sent = phone_photo()
    created = await submitted(client, WRITING, photos(sent, photo()), cast.student)
    assert await built.examiner.examine_next()
    (seen, _) = files_of(await result(client, created, cast.student))
    assert (await client.get(seen["original_url"], headers=cast.student)).content == sent
    for_reviewer = await client.get(seen["original_url"], headers=cast.reviewer)
    assert SECRET not in for_reviewer.content
    Refusal(403, "forbidden").check(await client.get(seen["original_url"], headers=cast.other_student))
    for name in ("url", "thumbnail_url"):
        path = seen[name].partition("?")[0]
        assert (await client.get(path, headers=cast.reviewer)).status_code == 200
        assert (await client.get(path, headers=cast.student)).status_code == 200
        Refusal(403, "forbidden").check(await client.get(path, headers=cast.other_student))
        Refusal(401, "unauthenticated").check(await client.get(path))


async def test_a_browsers_recording_becomes_seekable(
    client: httpx.AsyncClient, cast: Cast, built: Built
) -> None:
    live = recording("webm-live", 4.0)
    created = await submitted(client, SPEAKING, recordings(live, recording("mp3", 3.0)), cast.student)
    assert duration_of((await client.get(files_of(created)[0]["url"])).content) is None
    assert await built.examiner.examine_next()
    first, second = files_of(await result(client, created, cast.student))
    assert duration_of((await client.get(first["url"])).content) == pytest.approx(4.0, abs=0.1)
    assert first["duration_seconds"] == pytest.approx(4.0, abs=0.1)
    assert (first["codec"], second["codec"]) == ("opus", "mp3")
    assert second["bitrate"] == pytest.approx(64_000, rel=0.1)
    assert path_of(second["url"]) == path_of(files_of(created)[1]["url"])  # it was seekable
    assert "peaks" not in first
    detail = f"/multilevel/manual-reviews/{created['manual_review_id']}/"
    shown = (await client.get(detail, headers=cast.reviewer)).json()
    for audio in files_of(shown):
        assert len(audio["peaks"]) == 200
        assert 0 <= min(audio["peaks"]) < max(audio["peaks"]) <= 100


async def test_warnings_are_heard_at_once_by_the_student_and_the_queue(
    client: httpx.AsyncClient, cast: Cast, tokens: Tokens, built: Built, app: Application
) -> None:
    examining = app.tasks.start(built.examiner.run(), "examination")
    url = str(client.base_url)
    async with (
        connected_socket(url, tokens.mint("42")) as student,
        connected_socket(url, tokens.mint("43")) as somebody,
        connected_socket(url, tokens.mint("7", Role.REVIEWER)) as desk,
    ):
        await desk.subscribe("queue:writing")
        await desk.subscribe("queue:speaking")
        for path, form, expected in (
            (WRITING, photos(blank_photo(), photo(300, 200)), [(0, "blank"), (1, "tiny")]),
            (SPEAKING, recordings(silence(), recording("mp3", 0.5)), [(0, "silent"), (1, "very_short")]),
        ):
            created = await submitted(client, path, form, cast.student)
            assert (await student.publication()).data["type"] == "submission.created"
            heard = await student.publication()
            assert heard.data["type"] == "submission.examined"
            assert heard.offset
            submission = heard.data["submission"]
            assert (submission["id"], submission["revision"]) == (created["id"], created["revision"])
            assert warnings_of(submission) == expected
            assert all(each["warning"] for each in submission["warnings"])
            assert submission == await result(client, created, cast.student)
        await desk.meets("submission.examined", times=2)
        assert await somebody.is_alive()
        assert "submission.examined" not in somebody.seen
    examining.cancel()


async def test_what_is_broken_does_not_keep_the_next_one_waiting(
    client: httpx.AsyncClient, cast: Cast, built: Built
) -> None:
    png = [truncated(photo(800, 600)), decompression_bomb()]
    broken = await submitted(client, WRITING, photos(*png), cast.student)
    spoken = await submitted(
        client, SPEAKING, recordings(noise_after_header(), ten_hours_long(), silence()), cast.student
    )
    good = await submitted(client, WRITING, photos(photo(), photo(seed=1)), cast.other_student)
    while await built.examiner.examine_next():
        pass
    assert warnings_of(await result(client, broken, cast.student)) == [(0, "incomplete"), (1, "too_large")]
    assert warnings_of(await result(client, spoken, cast.student)) == [
        (0, "unreadable"),
        (1, "wrong_duration"),
        (2, "silent"),
    ]
    seen = await result(client, good, cast.other_student)
    assert seen["is_examined"]
    assert all(each["thumbnail_url"] for each in files_of(seen))


async def test_copies_are_known_to_fsck_and_sweep(
    client: httpx.AsyncClient, cast: Cast, built: Built, settings: Settings
) -> None:
    await submitted(client, WRITING, photos(phone_photo(), photo()), cast.student)
    assert await built.examiner.examine_next()
    root, store = settings.media.root, built.services.submissions
    assert isinstance(store, SubmissionStore)
    kept = kept_on_disk(root)
    assert len(kept) == 2 + 3
    for path in kept:
        grow_old(root / path, 10 * 24 * 3600)
    assert await sweep(built.services.vault, store, 3600) == 0
    asked = AuditSettings(root, 3900, deep=True, patience_seconds=0)
    assert ((found := await audit(store, asked)).findings, found.files) == ([], 5)
    view = next(path for path in kept if "-view" in path)
    _damage(root / view)
    assert [each.path for each in (await audit(store, asked)).findings] == [view]


def _damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.settings(submissions={"resubmission": "replace_pending"})
async def test_a_replacement_takes_the_copies_along_and_is_examined_itself(
    client: httpx.AsyncClient, cast: Cast, built: Built, settings: Settings
) -> None:
    await submitted(client, WRITING, photos(blank_photo(), phone_photo()), cast.student)
    assert await built.examiner.examine_next()
    created = await submitted(client, WRITING, photos(photo(), photo(seed=1)), cast.student)
    root = settings.media.root
    assert kept_on_disk(root) == {path_of(each["url"]) for each in files_of(created)}
    assert not (await result(client, created, cast.student))["is_examined"]
    assert await built.examiner.examine_next()
    assert (await result(client, created, cast.student))["warnings"] == []


async def test_an_examination_changes_no_revision_and_hinders_no_grade(
    client: httpx.AsyncClient, cast: Cast, built: Built
) -> None:
    created = await submit_writing(client, cast.student)
    review = f"/multilevel/manual-reviews/{created['manual_review_id']}/"
    await client.post(f"{review}claim/", headers=cast.reviewer)
    assert await built.examiner.examine_next()
    grade = {"revision": created["revision"], "score": {"task1_score": 20, "task2_score": 45}}
    answer = await client.put(review, json=grade, headers=cast.reviewer)
    assert answer.status_code == 200, answer.text
    assert answer.json()["is_examined"]
    assert not await built.examiner.examine_next()


async def test_the_first_201_is_given_again_as_it_was(
    client: httpx.AsyncClient, cast: Cast, built: Built
) -> None:
    headers = cast.student | {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}
    form = photos(phone_photo(), photo())
    created = await submitted(client, WRITING, form, headers)
    assert await built.examiner.examine_next()
    again = await submitted(client, WRITING, form, headers)
    links = [path_of(each.pop("url")) for each in files_of(created)]
    assert [path_of(each.pop("url")) for each in files_of(again)] == links
    assert again == created


async def test_the_newest_is_examined_first(client: httpx.AsyncClient, cast: Cast, built: Built) -> None:
    older = await submit_writing(client, cast.student)
    newer = await submit_writing(client, cast.other_student)
    assert await built.examiner.examine_next()
    assert (await result(client, newer, cast.reviewer))["is_examined"]
    assert not (await result(client, older, cast.reviewer))["is_examined"]


async def test_each_is_examined_by_one(
    client: httpx.AsyncClient, cast: Cast, built: Built, another_base_url: str, settings: Settings
) -> None:
    created = await submit_writing(client, cast.student)
    leases = built.examiner._leases
    held = await leases.take(f"examination:{created['id']}", 60)
    assert held is not None
    assert not await built.examiner.examine_next()
    await leases.end(held)
    assert await built.examiner.examine_next()
    assert len(kept_on_disk(settings.media.root)) == 4


def test_no_gps_is_ever_in_a_sample_by_chance() -> None:
    """What the tests above look for is there to be found."""
    assert Image.open(io.BytesIO(phone_photo())).getexif().get_ifd(GPS)
    assert SECRET in phone_photo()
