"""Who holds what, live: claims reach the other reviewers, and their end does too, asked for or not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from tests.e2e.clients import sdk_client
from tests.e2e.server_process import ServerProcess
from tests.media_samples import photo
from tests.people import Reviewer, Student, photo_file

PAGE = photo_file(photo(64, 48))


@pytest.mark.gen_test(timeout=60)
async def test_a_lease_that_runs_out_is_told_once_without_anyone_asking(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, TURANTALIM_REVIEWS__LEASE_SECONDS="1.5").start()
    try:
        token, claiming = server.token("42"), server.token("7", "reviewer", "Nodira")
        async with (
            sdk_client(server.websocket_url, server.token("8", "reviewer"), "queue:writing") as colleague,
            sdk_client(server.websocket_url, token) as student,
            httpx.AsyncClient(base_url=server.url) as http,
        ):
            first = await Student(http, token).submit_writing(1, [PAGE], [PAGE])
            before = datetime.now(UTC)
            await Reviewer(http, claiming).claim(first)
            claim = (await colleague.hears("submission.claimed", first["id"])).submission["claim"]
            assert claim["reviewer"] == {"id": "7", "name": "Nodira"}
            expires_at = datetime.fromisoformat(claim["expires_at"])
            assert before + timedelta(seconds=1) < expires_at < before + timedelta(seconds=20)
            released = await colleague.hears("submission.released", first["id"])
            assert released.submission["claim"] is None
            assert datetime.now(UTC) >= expires_at
            last = await Student(http, token).submit_writing(2, [PAGE], [PAGE])
            await colleague.hears("submission.created", last["id"])
            await student.hears("submission.created", last["id"])
        assert [heard.type for heard in colleague.heard] == [
            "submission.created",
            "submission.claimed",
            "submission.released",
            "submission.created",
        ]
        assert {heard.type for heard in student.heard} == {"submission.created"}
        assert server.stop() == 0
    finally:
        server.make_sure_it_ended()
    assert server.log_lines("error") == []
