"""Whether the other end of a connection has left, also while nothing is read from it."""

from __future__ import annotations

import socket

from tornado.iostream import IOStream

_ESTABLISHED = 1
"""Of the states in linux/tcp_states.h, the only one in which neither side has closed."""


def has_left(stream: IOStream) -> bool:
    """True once the peer has closed or reset the connection, even behind commands of it that nobody has read yet.

    Asks the kernel (tcp(7), TCP_INFO); where that cannot tell, only what Tornado knows counts.
    """
    if stream.closed():
        return True
    try:
        return stream.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != _ESTABLISHED
    except (OSError, AttributeError):  # no TCP socket, or no Linux
        return False
