"""asyncapi.yaml says all that the status socket does, and nothing else. Every test of the socket uses it."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import httpx
import jsonschema
import pytest

from handlers.protocol.centrifugo import CloseCode, ErrorCode, UnsubscribeCode
from server.services import Built
from storage.domain.people import Role
from tests import asyncapi
from tests.conftest import Tokens
from tests.e2e.server_process import HOME
from tests.handlers.plain_socket import Json, PlainSocket, connected_socket, open_socket
from tests.handlers.uploads import submit_speaking, submit_writing
from tests.people import Reviewer

META_SCHEMA = HOME / "tests/e2e/sdk/node_modules/@asyncapi/specs/schemas/3.0.0.json"
SCORE = {"task1_score": 20.5, "task2_score": 45.0}
UPLOAD_ID = "8e03978e-40d5-43dd-bc93-6894a57f9324"
MAY_BE_LEFT_OUT = {"publications"}
"""What was missed may be nothing."""
TOO_LARGE = 1009
"""RFC 6455's own, which the WebSocket library sends."""


def codes_of(source: type) -> list[tuple[Any, ...]]:
    return sorted(value for name, value in vars(source).items() if name.isupper())


def test_is_an_asyncapi_document() -> None:
    if not META_SCHEMA.exists():
        pytest.skip("AsyncAPI's schema is not installed: apt install nodejs npm, then make test")
    jsonschema.Draft7Validator(json.loads(META_SCHEMA.read_text())).validate(asyncapi.DOCUMENT)


def test_every_reference_leads_somewhere() -> None:
    assert len(asyncapi.references()) > 100


def test_has_the_close_codes() -> None:
    documented = asyncapi.DOCUMENT["channels"]["status"]["x-close-codes"]
    ours = [each for each in documented if each["code"] != TOO_LARGE]
    assert len(documented) == len(ours) + 1
    assert [(each["code"], each["reason"]) for each in ours] == codes_of(CloseCode)
    assert [each["reconnect"] for each in ours] == [each["code"] < 3500 for each in ours]


def test_has_the_error_codes() -> None:
    documented = [
        {name: value["const"] for name, value in kind["properties"].items()}
        for kind in asyncapi.DOCUMENT["components"]["schemas"]["Error"]["oneOf"]
    ]
    assert [(each["code"], each["message"], each.get("temporary", False)) for each in documented] == codes_of(
        ErrorCode
    )


def test_has_the_codes_with_which_the_server_ends_a_subscription() -> None:
    schema = asyncapi.DOCUMENT["components"]["schemas"]["Unsubscribed"]
    kind = schema["properties"]["push"]["properties"]["unsubscribe"]["properties"]
    assert [(kind["code"]["const"], kind["reason"]["const"])] == codes_of(UnsubscribeCode)


@pytest.mark.gen_test(timeout=30)
@pytest.mark.settings(status={"ping_seconds": 1})
async def test_every_message_in_it_is_sent_and_has_what_it_says(
    base_url: str, client: httpx.AsyncClient, tokens: Tokens, built: Built
) -> None:
    """An undocumented field anywhere, or a documented one that is not there, would be noticed."""
    async with (
        connected_socket(base_url, tokens.mint("42")) as student,
        connected_socket(base_url, tokens.mint("1", Role.ADMIN)) as desk,
    ):
        await desk.subscribe("queue:writing")
        left = await desk.subscribe("queue:speaking")
        assert await desk.refused("subscribe", channel="user:42") == 103
        await _live(client, tokens, student, desk)
        while await built.examiner.examine_next():
            pass
        await student.meets("submission.examined", times=3)
        await desk.meets("submission.examined", times=3)
        await desk.ask("unsubscribe", channel="queue:speaking")
        where = {"recover": True, "epoch": left["epoch"], "offset": left["offset"]}
        assert "publications" in await desk.subscribe("queue:speaking", **where)
        await desk.ask("refresh", token=tokens.mint("1", Role.STUDENT))
        await student.meets("ping")
        await desk.meets("unsubscribed")
        own = student.connected["subs"]["user:42"]
        async with open_socket(base_url) as again:
            where = {"recover": True, "epoch": own["epoch"], "offset": own["offset"]}
            recovered = await again.connect(tokens.mint("42"), subs={"user:42": where})
            assert "publications" in recovered["subs"]["user:42"]
            async with connected_socket(base_url, tokens.mint("42")) as fresh:
                sockets = (student, desk, again, fresh)
    assert set().union(*(socket.seen.keys() for socket in sockets)) == (
        asyncapi.names("send") | asyncapi.names("receive")
    )
    kinds = {
        (asyncapi.check_message(json.dumps(message)), message.get("push", {}).get("channel")): message
        for socket in sockets
        for message in socket.received
    }
    for message in kinds.values():
        for changed in _changed(message):
            assert not _is_allowed(changed), changed


def _is_allowed(message: Json) -> bool:
    try:
        asyncapi.check_message(json.dumps(message))
    except AssertionError:
        return False
    return True


async def _live(client: httpx.AsyncClient, tokens: Tokens, student: PlainSocket, desk: PlainSocket) -> None:
    """A submission of each section through all its states, the second one's upload with progress."""
    headers = tokens.header("42", name="Aziza")
    reviewer = Reviewer(client, tokens.mint("1", Role.ADMIN))
    written = await submit_writing(client, headers)
    spoken = await submit_speaking(client, headers | {"X-Upload-Id": UPLOAD_ID})
    for submission, score in ((written, SCORE), (spoken, {"total_score": 70})):
        await reviewer.claim(submission)
        await reviewer.release(submission)
        await reviewer.grade(submission, score)
        await reviewer.reopen(submission)
    assert (await submit_speaking(client, headers, 102, seed=1))["id"] != spoken["id"]
    await reviewer.claim(spoken)
    await student.meets("submission.reopened", times=2)
    await desk.meets("submission.claimed", times=3)


def _changed(message: Json) -> Iterator[Json]:
    """`message` with a field more in each of its objects, and with each of its fields left out."""
    for path, content in _objects(message):
        yield _with(message, path, {**content, "undocumented": 1})
        for name in content.keys() - MAY_BE_LEFT_OUT if path else ():  # a push without a push is a ping
            yield _with(message, path, {other: content[other] for other in content if other != name})


def _objects(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Json]]:
    if isinstance(content, dict):
        yield path, content
    steps = (
        content.items()
        if isinstance(content, dict)
        else enumerate(content)
        if isinstance(content, list)
        else ()
    )
    for step, value in steps:
        yield from _objects(value, (*path, step))


def _with(message: Json, path: tuple[Any, ...], content: Json) -> Json:
    if not path:
        return content
    changed = copy.deepcopy(message)
    holder: Any = changed
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = content
    return changed
