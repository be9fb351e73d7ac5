"""GET /healthz every 10 ms until standard input closes; prints the milliseconds of each as JSON.

A process of its own, so that it does not wait for the load generator's threads. Each ping counts from the moment it
was due: a server that stalls for 100 ms is late for ten of them, not for one.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import sys
import time

_PERIOD_SECONDS = 0.01
_SILENCE_SECONDS = 30
_PRIORITY = -10
"""The load generator shares the core: its turn must not be counted as the server's."""


def main() -> None:
    port, longest_seconds = int(sys.argv[1]), float(sys.argv[2])
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, _PRIORITY)
    request = f"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
    milliseconds: list[float] = []
    with socket.create_connection(("127.0.0.1", port), timeout=_SILENCE_SECONDS) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ping(connection, request)
        began = due = time.perf_counter()
        while due - began < longest_seconds and not told_to_stop():
            time.sleep(max(0, due - time.perf_counter()))
            ping(connection, request)
            milliseconds.append((time.perf_counter() - due) * 1000)
            due += _PERIOD_SECONDS
    sys.stdout.write(json.dumps(milliseconds))


def ping(connection: socket.socket, request: bytes) -> None:
    connection.sendall(request)
    answer = b""
    while (end := answer.find(b"\r\n\r\n")) < 0 or len(answer) < end + 4 + content_length(answer[:end]):
        got = connection.recv(4096)
        if not got:
            raise ConnectionError(f"closed after {answer!r}")
        answer += got
    if not answer.startswith(b"HTTP/1.1 200"):
        raise ConnectionError(f"answered {answer!r}")


def content_length(head: bytes) -> int:
    _, _, rest = head.lower().partition(b"content-length:")
    return int(rest.split(b"\r\n", 1)[0]) if rest else 0


def told_to_stop() -> bool:
    readable, _, _ = select.select([sys.stdin], [], [], 0)
    return bool(readable)


if __name__ == "__main__":
    main()
