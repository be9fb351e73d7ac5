"""A browser's own recording, and examinations that the server's death cuts off."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.browser import open_page
from tests.e2e.clients import sdk_client
from tests.e2e.processes import eventually, is_running
from tests.e2e.server_process import ServerProcess
from tests.media_samples import recording
from tests.odd_media import duration_of
from tests.people import SPEAKING, Student, files_of
from tests.storage.uploads import drafts_on_disk

FAKE_MICROPHONE = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
RECORD = """async (path, token, milliseconds) => {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true })
  const recorder = new MediaRecorder(stream, { mimeType: 'audio/webm' })
  const chunks = []
  recorder.addEventListener('dataavailable', ({ data }) => chunks.push(data))
  const stopped = new Promise(resolve => recorder.addEventListener('stop', resolve))
  recorder.start(500)
  await new Promise(resolve => setTimeout(resolve, milliseconds))
  recorder.stop()
  await stopped
  stream.getTracks().forEach(track => track.stop())
  const form = new FormData()
  form.append('answers[0][question]', '101')
  form.append('answers[0][speaking_audio]', new File(chunks, 'recording.webm', { type: 'audio/webm' }))
  const answer = await fetch(path, { method: 'POST', headers: { Authorization: `Bearer ${token}` }, body: form })
  return answer.json()
}"""
PLAY = """async (url, where) => {
  const audio = new Audio(url)
  const event = name => new Promise((resolve, reject) => {
    audio.addEventListener(name, resolve, { once: true })
    audio.addEventListener('error', () => reject(new Error(audio.error.message)), { once: true })
  })
  audio.preload = 'auto'
  await event('loadedmetadata')
  const duration = audio.duration
  const seekable = audio.seekable.length ? audio.seekable.end(0) : 0
  const sought = event('seeked')
  audio.currentTime = where
  await sought
  return { duration: Number.isFinite(duration) ? duration : null, seekable, at: audio.currentTime }
}"""
RECORDED_SECONDS = 4.0
EXAMINING = {"TURANTALIM_EXAMINATION__ENABLED": "true", "TURANTALIM_EXAMINATION__SCAN_SECONDS": "1"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    server = ServerProcess(tmp_path, **EXAMINING)
    try:
        yield server.start()
    finally:
        server.make_sure_it_ended()


@pytest.mark.gen_test(timeout=120)
async def test_a_recording_of_chromium_can_be_sought_in(server: ServerProcess, tmp_path: Path) -> None:
    """MediaRecorder writes neither a duration nor an index; what is served has both."""
    token = server.token("42")
    async with (
        sdk_client(server.websocket_url, token) as student,
        httpx.AsyncClient(base_url=server.url) as http,
        open_page(server.url + "/healthz", tmp_path, *FAKE_MICROPHONE) as page,
    ):
        created = await page.call(f"({RECORD})", SPEAKING, token, RECORDED_SECONDS * 1000)
        original = files_of(created)[0]["url"]
        assert duration_of((await http.get(original)).content) is None
        examined = (await student.hears("submission.examined", created["id"])).submission
        (audio,) = files_of(examined)
        assert examined["warnings"] == []
        assert audio["duration_seconds"] == pytest.approx(RECORDED_SECONDS, abs=1)
        played = await page.call(f"({PLAY})", audio["url"], 2.0)
        assert played["duration"] == pytest.approx(audio["duration_seconds"], abs=0.1)
        assert played["seekable"] == pytest.approx(played["duration"], abs=0.1)
        assert played["at"] == pytest.approx(2.0, abs=0.1)
        assert (await page.call(f"({PLAY})", original, 0.0))["duration"] is None
    assert server.log_lines("error") == []


@pytest.mark.gen_test(timeout=120)
async def test_an_examination_that_death_cuts_off_is_done_after_the_restart(server: ServerProcess) -> None:
    token = server.token("42")
    long = {101: ("answer.webm", recording("webm-live", 900), "audio/webm")}
    async with httpx.AsyncClient(base_url=server.url, timeout=30) as http:
        created = await Student(http, token).submit_answers(long)
    await eventually(lambda: bool(examining(server.pid)))
    (child,) = examining(server.pid)
    server.kill()
    await eventually(lambda: not is_running(child))
    server.start()
    async with sdk_client(server.websocket_url, token) as student:
        shown = student.snapshots["user:42"]["submissions"][0]
        if not shown["is_examined"]:
            shown = (await student.hears("submission.examined", created["id"])).submission
    assert shown["warnings"] == []
    assert files_of(shown)[0]["duration_seconds"] == pytest.approx(900, abs=1)
    assert drafts_on_disk(server.media_root) == []
    checked = server.run("fsck", "--deep")
    assert (checked.returncode, checked.stdout.count("\n")) == (0, 1), checked.stdout
    assert "2 files" in checked.stdout
    assert server.stop() == 0
    assert server.log_lines("error") == []


@pytest.mark.gen_test(timeout=120)
async def test_an_examination_that_is_told_to_end_with_its_service_is_done_later(
    server: ServerProcess,
) -> None:
    """As systemd does, and Ctrl-C: the server still drains then, and must not take it for the file's fault."""
    token = server.token("42")
    long = {101: ("answer.webm", recording("webm-live", 900), "audio/webm")}
    async with (
        httpx.AsyncClient(base_url=server.url, timeout=30) as http,
        sdk_client(server.websocket_url, token) as student,
    ):
        created = await Student(http, token).submit_answers(long)
        await eventually(lambda: bool(examining(server.pid)))
        os.kill(examining(server.pid)[0], signal.SIGTERM)
        shown = (await student.hears("submission.examined", created["id"])).submission
    assert shown["warnings"] == []
    assert files_of(shown)[0]["duration_seconds"] == pytest.approx(900, abs=1)
    assert server.stop() == 0
    assert server.log_lines("error") == []


@pytest.mark.gen_test(timeout=120)
async def test_examinations_that_are_off_leave_everything_as_it_was(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, TURANTALIM_EXAMINATION__ENABLED="false")
    try:
        token = server.start().token("42")
        content = recording("wav", 3.0)
        async with httpx.AsyncClient(base_url=server.url) as http:
            created = await Student(http, token).submit_answers({101: ("answer.wav", content, "audio/wav")})
            assert (await http.get(files_of(created)[0]["url"])).content == content
            shown: dict[str, Any] = await Student(http, token).result(created["id"])
        assert (shown["is_examined"], shown["warnings"]) == (False, [])
        assert server.stop() == 0
    finally:
        server.make_sure_it_ended()


def examining(server: int) -> list[int]:
    """The processes of a server that examine files."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
            parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == server and b"server.examining" in command:
            found.append(int(process.name))
    return found
