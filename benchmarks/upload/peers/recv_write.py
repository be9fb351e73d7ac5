"""The limit where there is no C compiler: recv 1 MiB, write it to a file, answer 200; as recv_write.c."""

from __future__ import annotations

import itertools
import os
import re
import socket
import threading
from pathlib import Path

_BUFFER_BYTES = 1 << 20
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
_files = itertools.count()


def serve(connection: socket.socket, buffer: memoryview, media: Path) -> bool:
    """Receive one request into a new file; False when the peer has gone."""
    head = b""
    while (end := head.find(b"\r\n\r\n")) < 0:
        got = connection.recv_into(buffer)
        if not got:
            return False
        head += buffer[:got]
    length = int(match[1]) if (match := _LENGTH.search(head, 0, end)) else 0
    with (media / str(next(_files))).open("xb", buffering=0) as file:
        received = file.write(head[end + 4 :])
        while received < length:
            got = connection.recv_into(buffer, min(_BUFFER_BYTES, length - received))
            if not got:
                return False
            received += file.write(buffer[:got])
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    return True


def converse(connection: socket.socket, media: Path) -> None:
    buffer = memoryview(bytearray(_BUFFER_BYTES))
    with connection:
        while serve(connection, buffer, media):
            pass


def main() -> None:
    media = Path(os.environ["BENCH_MEDIA"])
    with socket.create_server(("127.0.0.1", int(os.environ["PORT"])), backlog=64) as listener:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=converse, args=(connection, media), daemon=True).start()


if __name__ == "__main__":
    main()
