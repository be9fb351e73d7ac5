"""`/metrics` of several workers: one sees what all of them count."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from server.settings import HOME
from server.shared_metrics import SharedMetrics
from tests.storage.small_disk import fill, mounted

COUNTER = """
import sys
from pathlib import Path
from handlers.metrics import Metrics
from server.shared_metrics import SharedMetrics
folder, number = Path(sys.argv[1]), int(sys.argv[2])
metrics = Metrics(SharedMetrics(folder, 2).join(number))
metrics.sockets.set(3)
metrics.publications.labels("submission.created").inc(2)
metrics.answered("GET", "HealthHandler", 200, 0.02)
print(metrics.exposition().decode())
"""
"""A worker that has three sockets, publishes two things and answers once; then its process ends."""


def shown_by(folder: Path, number: int) -> list[str]:
    """All lines that a new worker of that number shows at its end."""
    done = subprocess.run(
        [sys.executable, "-c", COUNTER, str(folder), str(number)],
        cwd=HOME,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return [line for line in done.stdout.splitlines() if not line.startswith("#")]


@pytest.fixture
def shared(tmp_path: Path) -> SharedMetrics:
    shared = SharedMetrics(tmp_path / "metrics", 2)
    shared.make()
    return shared


def test_one_shows_the_sum_of_all(shared: SharedMetrics, tmp_path: Path) -> None:
    shown_by(tmp_path / "metrics", 0)
    lines = shown_by(tmp_path / "metrics", 1)
    answers = '{method="GET",route="HealthHandler",status="200"}'
    assert "turantalim_sockets 6.0" in lines
    assert 'turantalim_publications_total{type="submission.created"} 4.0' in lines
    assert f"turantalim_http_request_seconds_count{answers} 2.0" in lines
    assert [line for line in lines if "pid=" in line] == []


def test_a_dead_worker_has_no_sockets_and_what_it_counted_stays(
    shared: SharedMetrics, tmp_path: Path
) -> None:
    shown_by(tmp_path / "metrics", 0)
    shared.died(0)
    lines = shown_by(tmp_path / "metrics", 1)
    assert "turantalim_sockets 3.0" in lines
    assert 'turantalim_publications_total{type="submission.created"} 4.0' in lines


def test_the_next_worker_of_a_number_counts_on(shared: SharedMetrics, tmp_path: Path) -> None:
    shown_by(tmp_path / "metrics", 0)
    shared.died(0)
    lines = shown_by(tmp_path / "metrics", 0)
    assert "turantalim_sockets 3.0" in lines
    assert 'turantalim_publications_total{type="submission.created"} 4.0' in lines


def test_the_files_have_their_space_before_they_are_used_and_no_others_are_made(
    shared: SharedMetrics, tmp_path: Path
) -> None:
    """Else a full disk would end whoever counts."""
    folder = tmp_path / "metrics"
    before = {file.name: file.stat().st_size for file in folder.iterdir()}
    assert all(file.stat().st_blocks * 512 >= file.stat().st_size > 0 for file in folder.iterdir())
    shown_by(folder, 0)
    shown_by(folder, 1)
    assert {file.name: file.stat().st_size for file in folder.iterdir()} == before


def test_a_full_disk_ends_nobody_who_counts(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "size=8m") as disk:
        SharedMetrics(disk / "metrics", 2).make()
        fill(disk / "rest", leaving_bytes=0)
        assert "turantalim_sockets 3.0" in shown_by(disk / "metrics", 0)


def test_what_an_earlier_server_counted_is_forgotten(shared: SharedMetrics, tmp_path: Path) -> None:
    shown_by(tmp_path / "metrics", 0)
    shared.make()
    lines = shown_by(tmp_path / "metrics", 1)
    assert 'turantalim_publications_total{type="submission.created"} 2.0' in lines
