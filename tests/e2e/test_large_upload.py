"""The largest upload there is: eight recordings of 50 MiB in one request (promises 7 and 8)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.e2e.processes import eventually, forget_peak, peak_bytes, resident_bytes
from tests.e2e.server_process import ServerProcess
from tests.media_samples import padded, recording
from tests.people import SPEAKING, files_of

RECORDING_BYTES = 50 << 20
"""The most a recording may have (API document, "Important Notes")."""
QUESTIONS = 8
GROWTH_BYTES = 64 << 20
"""A sixth of the request: whoever held a single recording and copied it once would be over."""


@pytest.fixture
def large(tmp_path: Path) -> Iterator[Path]:
    """A WAV recording of exactly the largest size; not kept for later looks at failures, as it says nothing."""
    path = tmp_path / "largest.wav"
    path.write_bytes(padded(recording("wav"), RECORDING_BYTES))
    yield path
    path.unlink()


@pytest.mark.gen_test(timeout=120)
async def test_takes_400_mib_in_a_few_buffers(server: ServerProcess, large: Path) -> None:
    token = server.token("42")
    forget_peak(server.pid)
    before = resident_bytes(server.pid)
    answer = await _upload(server.url, token, [large] * QUESTIONS)
    growth = peak_bytes(server.pid) - before
    assert answer.status_code == 201, answer.text
    assert [file["size_bytes"] for file in files_of(answer.json())] == [RECORDING_BYTES] * QUESTIONS
    assert growth < GROWTH_BYTES
    for file in _kept(server):
        assert file.stat().st_size == RECORDING_BYTES
        file.unlink()  # as above: 400 MiB that say nothing


@pytest.mark.gen_test(timeout=120)
async def test_one_byte_too_many_in_one_file_leaves_nothing(
    server: ServerProcess, large: Path, tmp_path: Path
) -> None:
    larger = tmp_path / "larger.wav"
    larger.write_bytes(padded(recording("wav"), RECORDING_BYTES + 1))
    # Seven are on disk by then; what follows is drained, so that the sender reads the answer.
    answer = await _upload(server.url, server.token("42"), [*[large] * (QUESTIONS - 2), larger, large])
    larger.unlink()
    assert answer.status_code == 413, answer.text
    assert list(answer.json()["details"]) == [f"answers[{QUESTIONS - 2}][speaking_audio]"]
    await eventually(lambda: _kept(server) == [])


async def _upload(url: str, token: str, recordings: Iterable[Path]) -> httpx.Response:
    """Streamed from disk: httpx reads an open file piece by piece."""
    with ExitStack() as stack:
        opened = [stack.enter_context(path.open("rb")) for path in recordings]
        text = {f"answers[{place}][question]": str(101 + place) for place in range(len(opened))}
        files = [
            (f"answers[{place}][speaking_audio]", (f"question{place}.wav", file, "audio/wav"))
            for place, file in enumerate(opened)
        ]
        async with httpx.AsyncClient(base_url=url, timeout=60) as http:
            return await http.post(
                SPEAKING, data=text, files=files, headers={"Authorization": f"Bearer {token}"}
            )


def _kept(server: ServerProcess) -> list[Path]:
    """Every uploaded file on disk, drafts included."""
    return [path for path in (server.folder / "media").rglob("*") if path.is_file() and path.name != "lock"]
