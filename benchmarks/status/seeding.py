"""Pending Speaking submissions of given students: uploaded to ours, inserted for the peers in the same shape."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import struct
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from pymongo import MongoClient

from benchmarks.status.dialects import BadAnswer, Seat

_UPLOADS_AT_ONCE = 16
_BOUNDARY = "----WebKitFormBoundary7MA4YWxkTrZu0gW"
_numbers = itertools.count(100_001)
"""Six digits, never the same twice in a run."""


def uploaded(port: int, owners: Sequence[Seat]) -> list[int]:
    """One submission an owner, in this order; their `manual_review_id`s."""
    with ThreadPoolExecutor(_UPLOADS_AT_ONCE) as pool:
        return list(pool.map(lambda seat: _upload(port, seat), owners))


def inserted(mongo_uri: str, database: str, owners: Sequence[Seat]) -> list[int]:
    """The same straight into a peer's database; a document has all that the event will, and the event is it."""
    documents = [_document(next(_numbers), seat.user_id) for seat in owners]
    with MongoClient[dict[str, Any]](mongo_uri) as client:
        submissions = client[database]["submissions"]
        submissions.create_index([("student.id", 1), ("submitted_at", -1)])
        submissions.create_index([("status", 1), ("submitted_at", 1)])
        if documents:
            submissions.insert_many(documents)
    return [document["_id"] for document in documents]


def _upload(port: int, seat: Seat) -> int:
    number = next(_numbers)
    parts = (
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="user_test_id"\r\n\r\n{number}\r\n'
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="answers[0][question]"\r\n\r\n101\r\n'
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="answers[0][speaking_audio]"; '
        'filename="answer.wav"\r\nContent-Type: audio/wav\r\n\r\n'
    )
    body = parts.encode() + _recording() + f"\r\n--{_BOUNDARY}--\r\n".encode()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {
        "Authorization": f"Bearer {seat.token}",
        "Content-Type": f"multipart/form-data; boundary={_BOUNDARY}",
    }
    try:
        connection.request("POST", "/multilevel/testcheck/speaking/", body, headers)
        answer = connection.getresponse()
        content = answer.read()
    finally:
        connection.close()
    if answer.status != 201:
        raise BadAnswer(f"upload: {answer.status} {content[:1000]!r}")
    return int(json.loads(content)["manual_review_id"])


def _recording(sound_bytes: int = 1000) -> bytes:
    """A WAV header (16 kHz, 16 bits, mono) and a tone: noise now and then looks like something else to libmagic."""
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 16_000, 32_000, 2, 16)
    head = struct.pack("<4sI4s", b"RIFF", 36 + sound_bytes, b"WAVE")
    return (
        head
        + form
        + struct.pack("<4sI", b"data", sound_bytes)
        + bytes(range(0, 250, 5)) * (sound_bytes // 50)
    )


def _document(number: int, student: int) -> dict[str, Any]:
    """What ours would show of such a submission; times are text, so that nothing has to be converted.

    The link is longer than ours by what the protocol puts around ours, so that the messages are equally long.
    """
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    link = f"/media/speaking/{os.urandom(16).hex()}.wav?expires=1800000000&signature={os.urandom(50).hex()}"
    audio = {
        "id": number,
        "url": link,
        "uploaded_at": now,
        "media_type": "audio/x-wav",
        "size_bytes": 1044,
        "sha256": os.urandom(32).hex(),
    }
    question = {"question_number": 1, "question_type": "speaking", "question": 101, "audio": audio}
    return {
        "_id": number,
        "id": number,
        "test_result_id": number,
        "manual_review_id": number,
        "revision": 1,
        "section_type": "speaking",
        "status": "pending",
        "user_test_id": number,
        "exam_id": None,
        "submitted_at": now,
        "reviewed_at": None,
        "questions": [question],
        "score": None,
        "feedback": None,
        "reviewer": None,
        "student": {"id": str(student), "name": None},
        "claim": None,
    }
