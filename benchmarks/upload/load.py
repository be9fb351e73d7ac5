"""The load generator: different uploads of constant contents, sent with sendfile over keep-alive connections.

What differs from request to request is a short prefix, sent from memory; the rest lies in the page cache and never
passes through this process, so that the client costs next to nothing.
"""

from __future__ import annotations

import itertools
import os
import random
import socket
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

_BOUNDARY = b"----WebKitFormBoundary7MA4YWxkTrZu0gW"
_SILENCE_SECONDS = 60
"""A server that neither reads nor answers for so long has failed."""
_FIRST_USER_TEST = 1_000_000_000
_user_tests = itertools.count(_FIRST_USER_TEST)
"""Always ten digits, so that every request of one form is equally long; never the same twice in a run."""


class BadAnswer(Exception):
    """A server answered something else than success."""


@dataclass(frozen=True, slots=True)
class Form:
    """An upload's constant rest in a file, behind a prefix that `prefix` makes anew each time.

    `digests`: the sha256 of each file in it, sorted.
    """

    path: Path
    rest_bytes: int
    section: str
    digests: tuple[str, ...]

    def prefix(self) -> bytes:
        return _text("user_test_id", str(next(_user_tests)))

    @property
    def body_bytes(self) -> int:
        return self.rest_bytes + len(_text("user_test_id", str(_FIRST_USER_TEST)))


@dataclass(frozen=True, slots=True)
class Job:
    """So many uploads of one form to a server on a loopback port, over so many connections at once."""

    port: int
    form: Form
    requests: int
    tokens: Sequence[str]
    raw_put: bool = False

    @property
    def connections(self) -> int:
        return len(self.tokens)


@dataclass(slots=True)
class Outcome:
    """How a job went. `client_seconds` is the CPU time of this process meanwhile."""

    seconds: float = 0
    client_seconds: float = 0
    sent_bytes: int = 0
    latencies: list[float] = field(default_factory=list)


def writing_form(folder: Path, photo_bytes: int) -> Form:
    """Three photos: two of task 1, one of task 2."""
    photos = [_photo(photo_bytes, seed) for seed in range(3)]
    names = ["task1_image1", "task1_image2", "task2_image1"]
    parts = [_file(name, "page.jpg", "image/jpeg", photo) for name, photo in zip(names, photos, strict=True)]
    return _form(folder, "writing", parts, photos)


def speaking_form(folder: Path, recordings: int, recording_bytes: int) -> Form:
    """Recordings by question."""
    contents = [_recording(recording_bytes, seed) for seed in range(recordings)]
    parts = []
    for place, content in enumerate(contents):
        parts.append(_text(f"answers[{place}][question]", str(place + 1)))
        parts.append(_file(f"answers[{place}][speaking_audio]", "answer.wav", "audio/wav", content))
    return _form(folder, "speaking", parts, contents)


def send(job: Job) -> Outcome:
    """Carry out a job; raises what failed first, BadAnswer with the body of an answer that is no success."""
    outcome = Outcome()
    failures: list[BaseException] = []
    turns = iter(range(job.requests))
    connections = [_Connection(job, token) for token in job.tokens]

    def work(connection: _Connection) -> None:
        try:
            for _ in turns:
                outcome.latencies.append(connection.upload())
                if failures:
                    return
        except BaseException as error:  # handed to the caller
            failures.append(error)

    threads = [threading.Thread(target=work, args=(connection,)) for connection in connections]
    cpu, began = time.process_time(), time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    outcome.seconds, outcome.client_seconds = time.perf_counter() - began, time.process_time() - cpu
    outcome.sent_bytes = job.requests * job.form.body_bytes
    for connection in connections:
        connection.close()
    if failures:
        raise failures[0]
    return outcome


class _Connection:
    """One keep-alive connection, blocking."""

    def __init__(self, job: Job, token: str) -> None:
        self._job = job
        self._path = (
            f"/{job.form.section}-{{}}" if job.raw_put else f"/multilevel/testcheck/{job.form.section}/"
        )
        self._head = (
            f"{'PUT' if job.raw_put else 'POST'} {{}} HTTP/1.1\r\nHost: 127.0.0.1:{job.port}\r\n"
            f"Authorization: Bearer {token}\r\nContent-Length: {job.form.body_bytes}\r\n"
            f"Content-Type: multipart/form-data; boundary={_BOUNDARY.decode()}\r\n\r\n"
        )
        self._file = job.form.path.open("rb")
        self._socket = self._connect()

    def upload(self) -> float:
        """Send one upload and read its answer; the seconds it took."""
        prefix = self._job.form.prefix()
        head = self._head.format(self._path.format(next(_user_tests))).encode()
        began = time.perf_counter()
        try:
            self._socket.sendall(head + prefix, socket.MSG_MORE)
            self._send_rest()
        except (BrokenPipeError, ConnectionResetError) as error:
            raise BadAnswer(f"closed while sending; answered {self._early_answer()!r}") from error
        status, body, keep = _read_answer(self._socket)
        seconds = time.perf_counter() - began
        if not 200 <= status < 300 or (not self._job.raw_put and status != 201):
            raise BadAnswer(f"{status}: {body.decode(errors='replace')[:2000]}")
        if not keep:
            self._socket.close()
            self._socket = self._connect()
        return seconds

    def close(self) -> None:
        self._socket.close()
        self._file.close()

    def _connect(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self._job.port), timeout=_SILENCE_SECONDS)
        connection.settimeout(
            None
        )  # a time-out of Python's would make it non-blocking, which sendfile dislikes
        silence = struct.pack("@ll", _SILENCE_SECONDS, 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, silence)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, silence)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def _send_rest(self) -> None:
        out, file, offset = self._socket.fileno(), self._file.fileno(), 0
        while offset < self._job.form.rest_bytes:
            offset += os.sendfile(out, file, offset, self._job.form.rest_bytes - offset)

    def _early_answer(self) -> bytes:
        try:
            return self._socket.recv(4096)
        except OSError:
            return b""


def _read_answer(connection: socket.socket) -> tuple[int, bytes, bool]:
    """Status, body, and whether the connection stays open."""
    received = b""
    while (end := received.find(b"\r\n\r\n")) < 0:
        received += _some(connection, received)
    lines = received[:end].lower().split(b"\r\n")
    status = int(lines[0].split()[1])
    headers = dict(line.split(b": ", 1) for line in lines[1:] if b": " in line)
    body = received[end + 4 :]
    if headers.get(b"transfer-encoding") == b"chunked":
        while not body.endswith(b"0\r\n\r\n"):
            body += _some(connection, received)
    elif status != 204:
        while len(body) < int(headers.get(b"content-length", b"0")):
            body += _some(connection, received)
    return status, body, headers.get(b"connection") != b"close"


def _some(connection: socket.socket, so_far: bytes) -> bytes:
    got = connection.recv(65536)
    if not got:
        raise BadAnswer(f"closed without an answer; so far {so_far!r}")
    return got


def _form(folder: Path, section: str, parts: Sequence[bytes], contents: Sequence[bytes]) -> Form:
    rest = b"".join([_text("exam_id", "456"), *parts, b"--" + _BOUNDARY + b"--\r\n"])
    path = folder / f"{section}-{len(rest)}.body"
    path.write_bytes(rest)
    return Form(path, len(rest), section, tuple(sorted(sha256(content).hexdigest() for content in contents)))


def _text(name: str, value: str) -> bytes:
    head = f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
    return b"--" + _BOUNDARY + b"\r\n" + head.encode()


def _file(name: str, filename: str, media_type: str, content: bytes) -> bytes:
    head = f'Content-Disposition: form-data; name="{name}"; filename="{filename}"\r\n'
    head += f"Content-Type: {media_type}\r\n\r\n"
    return b"--" + _BOUNDARY + b"\r\n" + head.encode() + content + b"\r\n"


def _photo(size_bytes: int, seed: int) -> bytes:
    """A JFIF header and noise: compressed pictures look like that to a parser."""
    return _filled(b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00", size_bytes, seed)


def _recording(size_bytes: int, seed: int) -> bytes:
    """A WAV header (16 kHz, 16 bits, mono) and noise."""
    sound_bytes = size_bytes - 44
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 16_000, 32_000, 2, 16)
    header = (
        struct.pack("<4sI4s", b"RIFF", 36 + sound_bytes, b"WAVE")
        + form
        + struct.pack("<4sI", b"data", sound_bytes)
    )
    return _filled(header, size_bytes, seed)


def _filled(header: bytes, size_bytes: int, seed: int) -> bytes:
    noise = random.Random(seed)  # noqa: S311  # repeatable contents, no secrets
    pieces = [header, *(noise.randbytes(size) for size in _sizes(size_bytes - len(header)))]
    return b"".join(pieces)


def _sizes(total: int, piece: int = 1 << 20) -> Iterator[int]:
    """`total` in pieces: a Random makes no more than 256 MiB at once, and the memory for that thrice."""
    yield from itertools.repeat(piece, total // piece)
    if total % piece:
        yield total % piece
