"""Progress of an upload as the official SDK hands it to the application, and what it does not disturb."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.e2e.clients import SdkClient, sdk_client
from tests.e2e.server_process import ServerProcess
from tests.forms import content_type, encode, file
from tests.handlers.uploads import writing_form
from tests.media_samples import padded, photo
from tests.people import WRITING

UPLOAD_ID = "8e03978e-40d5-43dd-bc93-6894a57f9324"
BODY = encode([file("task1_image2", padded(photo(), 6 << 20)), *writing_form()])


@pytest.mark.gen_test(timeout=60)
async def test_the_sdk_hears_of_progress_and_then_of_the_submission(server: ServerProcess) -> None:
    token = server.token("42")
    async with (
        sdk_client(server.websocket_url, token) as student,
        httpx.AsyncClient(base_url=server.url, timeout=30) as http,
    ):
        answer = await http.post(
            WRITING,
            content=_as_progress_is_heard(student),
            headers={
                "Authorization": f"Bearer {token}",
                "Content-Type": content_type(),
                "Content-Length": str(len(BODY)),
                "X-Upload-Id": UPLOAD_ID,
            },
        )
        assert answer.status_code == 201, answer.text
        await student.hears("submission.created", answer.json()["id"])
        assert student.lost == []
        progress = [heard.data for heard in student.heard if heard.type == "upload.progress"]
    assert {each["upload_id"] for each in progress} == {UPLOAD_ID}
    assert {each["total_bytes"] for each in progress} == {len(BODY)}
    received = [each["received_bytes"] for each in progress]
    assert received == sorted(received)
    assert 0 < received[0] < received[-1] == len(BODY)
    assert {part["state"] for part in progress[-1]["files"]} == {"accepted"}


async def _as_progress_is_heard(student: SdkClient) -> AsyncIterator[bytes]:
    """Half of the body, and the other half once the student's page has shown the first progress."""
    half = len(BODY) // 2
    yield BODY[:half]
    await student.until(lambda: any(heard.type == "upload.progress" for heard in student.heard))
    yield BODY[half:]
