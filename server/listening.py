"""The port: who may have it, how several processes share it, and how it is shown."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from tornado.netutil import bind_sockets

from server.settings import Server, naming

_BACKLOG = 4096
"""Connections not yet accepted: after a cut thousands come back at once, and who is turned away waits a second."""


def open_sockets(settings: Server, processes: int = 1) -> list[list[socket.socket]]:
    """Open `server.host` and `server.port` once for each process (a host name may be several addresses); raises
    BadSettings.

    The kernel deals new connections out over the processes' sockets (SO_REUSEPORT, socket(7)): decision 0008 says
    why they do not share one. The first is opened like anybody's, or a second server on the port would go unnoticed
    and get its share of the connections.
    """
    with naming("server.host and server.port"):
        first = bind_sockets(settings.port, settings.host, backlog=_BACKLOG)
        if processes == 1:
            return [first]
        for each in first:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        port = first[0].getsockname()[1]
        return [first, *(_open_another(settings.host, port) for _ in range(processes - 1))]


def announcement(settings: Server, sockets: Sequence[socket.socket]) -> str:
    """The line on standard output that says where requests are served (design section 2)."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"listening on http://{host}:{sockets[0].getsockname()[1]}\n"


def _open_another(host: str, port: int) -> list[socket.socket]:
    return bind_sockets(port, host, backlog=_BACKLOG, reuse_port=True)
