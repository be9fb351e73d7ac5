"""The refusals that the API document shows, word for word; one of them needs an outage: `test_outages.py`."""

from __future__ import annotations

import httpx
import pytest

from server.services import Built
from storage.catalogue import CatalogueFile, Question
from tests.forms import empty_input, text
from tests.handlers.examples import (
    SPEAKING_REFUSED,
    SPEAKING_TEXTS,
    WRITING_REFUSED,
    WRITING_TEXTS,
    post,
    speaking_form,
    writing_files,
)
from tests.handlers.reviews import Cast
from tests.handlers.uploads import send
from tests.media_samples import padded, photo, recording
from tests.people import SPEAKING, WRITING, File

pytestmark = pytest.mark.gen_test(timeout=60)


def large(content: bytes, size_bytes: int) -> File:
    return "large", padded(content, size_bytes), "application/octet-stream"


async def test_writing_without_required_fields_is_refused_as_shown(
    client: httpx.AsyncClient, cast: Cast
) -> None:
    texts = {"exam_id": "456", "section_type": "writing"}
    files = {name: file for name, file in writing_files().items() if not name.startswith("task1")}
    answer = await post(client, WRITING, texts, files, cast.student)
    assert answer.status_code == 400
    assert answer.json().items() >= WRITING_REFUSED.items()


async def test_no_recording_is_refused_as_shown(client: httpx.AsyncClient, cast: Cast) -> None:
    form = [*(text(name, value) for name, value in SPEAKING_TEXTS.items()), empty_input("part1_audio")]
    answer = await send(client, SPEAKING, form, cast.student)
    assert answer.status_code == 400
    assert answer.json().items() >= SPEAKING_REFUSED.items()


async def test_another_content_type_is_refused_in_the_document_s_words(
    client: httpx.AsyncClient, cast: Cast
) -> None:
    answer = await client.post(SPEAKING, json={"question": 101}, headers=cast.student)
    assert answer.status_code == 400
    assert answer.json()["error"] == "Content-Type multipart/form-data bo'lishi kerak"


@pytest.mark.settings(catalogue={"enforce": True})
async def test_an_unknown_question_is_refused_in_the_document_s_words(
    client: httpx.AsyncClient, cast: Cast, built: Built
) -> None:
    known = [Question(id=number, section="speaking", text="?") for number in range(101, 108)]
    await built.catalogue.load(CatalogueFile(questions=known))
    answer = await post(client, SPEAKING, *speaking_form(), cast.student)
    assert answer.status_code == 400
    assert answer.json()["error"] == "Question 108 not found"


async def test_an_image_over_10_mb_is_refused_in_the_document_s_words(
    client: httpx.AsyncClient, cast: Cast
) -> None:
    most = writing_files() | {"task1_image1": large(photo(), 10 << 20)}
    assert (await post(client, WRITING, WRITING_TEXTS, most, cast.student)).status_code == 201
    more = most | {"task1_image1": large(photo(), (10 << 20) + 1)}
    answer = await post(client, WRITING, WRITING_TEXTS, more, cast.student)
    assert answer.status_code == 413
    assert answer.json()["details"] == {"task1_image1": ["Fayl hajmi 10MB dan oshmasligi kerak"]}


async def test_a_recording_over_50_mb_is_refused_in_the_document_s_words(
    client: httpx.AsyncClient, cast: Cast
) -> None:
    more = {"part1_audio": large(recording("wav"), (50 << 20) + 1)}
    answer = await post(client, SPEAKING, SPEAKING_TEXTS, more, cast.student)
    assert answer.status_code == 413
    assert answer.json()["details"] == {"part1_audio": ["Audio fayl hajmi 50MB dan oshmasligi kerak"]}
