"""Upload forms that are right, for tests to send as they are or with something wrong in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import httpx

from tests.forms import Part, content_type, encode, file, text
from tests.handlers.wire import request_head
from tests.media_samples import photo, recording
from tests.people import SPEAKING, WRITING

Json = dict[str, Any]

USER_TEST, EXAM, QUESTION = 123, 456, 101
"""The ids of the API document's examples."""
FORM = {"Content-Type": content_type()}
"""The header of what `tests.forms.encode` makes."""


@cache
def page(seed: int = 0) -> bytes:
    """A small photo of a written page; another `seed` is another page."""
    return photo(64, 48, seed=seed)


@cache
def sound(seed: int = 0) -> bytes:
    """A short recording; another `seed` is another voice."""
    return recording("wav", 0.05, seed=seed)


def writing_form(user_test_id: int = USER_TEST, *, seed: int = 0) -> list[Part]:
    """Both tasks, a page each; another `seed` is other contents."""
    return [
        text("user_test_id", user_test_id),
        text("exam_id", EXAM),
        text("section_type", "writing"),
        file("task1_image1", page(2 * seed)),
        file("task2_image1", page(2 * seed + 1)),
    ]


def speaking_form(question: int = QUESTION, *, seed: int = 0) -> list[Part]:
    """One question's recording."""
    return [
        text("answers[0][question]", question),
        file("answers[0][speaking_audio]", sound(seed), "recording.wav"),
    ]


def without(parts: Iterable[Part], *names: str) -> list[Part]:
    return [part for part in parts if part.name not in names]


async def send(
    client: httpx.AsyncClient, path: str, parts: Iterable[Part], headers: Mapping[str, str]
) -> httpx.Response:
    return await client.post(path, content=encode(parts), headers={**headers, "Content-Type": content_type()})


async def submit_writing(
    client: httpx.AsyncClient, headers: Mapping[str, str], user_test_id: int = USER_TEST, *, seed: int = 0
) -> Json:
    """The 201's body of a right form."""
    return _created(await send(client, WRITING, writing_form(user_test_id, seed=seed), headers))


async def submit_speaking(
    client: httpx.AsyncClient, headers: Mapping[str, str], question: int = QUESTION, *, seed: int = 0
) -> Json:
    return _created(await send(client, SPEAKING, speaking_form(question, seed=seed), headers))


def upload_head(path: str, body_bytes: int, headers: Mapping[str, str]) -> bytes:
    """The head of an upload whose Content-Length is `body_bytes`, as it goes over the wire."""
    return request_head("POST", path, FORM | {"Content-Length": str(body_bytes), **headers})


def chunked_head(path: str, headers: Mapping[str, str]) -> bytes:
    """The head of an upload that does not say how long it is."""
    return request_head("POST", path, FORM | {"Transfer-Encoding": "chunked", **headers})


def whole_upload(path: str, parts: Iterable[Part], headers: Mapping[str, str]) -> bytes:
    body = encode(parts)
    return upload_head(path, len(body), headers) + body


def _created(answer: httpx.Response) -> Json:
    assert answer.status_code == 201, answer.text
    content = answer.json()
    assert isinstance(content, dict)
    return content
