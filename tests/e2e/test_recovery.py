"""A deploy while a student waits: the official SDK comes back by itself and has missed nothing."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.e2e.clients import sdk_client
from tests.e2e.processes import free_port
from tests.e2e.server_process import ServerProcess
from tests.media_samples import photo
from tests.people import Reviewer, Student, photo_file

PAGE = photo_file(photo(64, 48))
SCORE = {"task1_score": 20.5, "task2_score": 45.0}


@pytest.mark.gen_test(timeout=90)
async def test_a_grade_given_around_a_restart_reaches_the_student_who_reconnects(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, TURANTALIM_SERVER__PORT=str(free_port())).start()
    try:
        token, reviewer_token = server.token("42"), server.token("7", "reviewer", "Nodira")
        async with sdk_client(server.websocket_url, token) as student:
            async with httpx.AsyncClient(base_url=server.url) as http:
                submission = await Student(http, token).submit_writing(1, [PAGE], [PAGE])
            await student.hears("submission.created", submission["id"])
            assert server.stop() == 0
            server.start()
            async with httpx.AsyncClient(base_url=server.url) as http:
                await Reviewer(http, reviewer_token).grade(submission, SCORE)
            heard = await student.hears("submission.checked", submission["id"])
            assert heard.submission["score"]["total_score"] == 65.5
            assert [each.type for each in student.heard] == ["submission.created", "submission.checked"]
            assert student.lost == [3001]
        assert server.stop() == 0
    finally:
        server.make_sure_it_ended()
    assert server.log_lines("error") == []
