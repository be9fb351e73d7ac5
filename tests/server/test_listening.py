"""The port: one server at a time has it, and its processes get their connections dealt out."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain

import pytest

from server.listening import announcement, open_sockets
from server.settings import BadSettings, Server

LOOPBACK = Server(host="127.0.0.1", port=0)


@contextmanager
def opened(settings: Server, processes: int) -> Iterator[list[list[socket.socket]]]:
    sockets = open_sockets(settings, processes)
    yield sockets
    for each in chain(*sockets):
        each.close()


def port_of(sockets: list[list[socket.socket]]) -> int:
    return int(sockets[0][0].getsockname()[1])


def waiting_at(listener: socket.socket) -> int:
    """How many connections there were to accept."""
    number = 0
    while True:
        try:
            listener.accept()[0].close()
        except BlockingIOError:
            return number
        number += 1


def test_each_process_gets_its_part_of_the_connections() -> None:
    with opened(LOOPBACK, 4) as sockets:
        assert {each.getsockname() for (each,) in sockets} == {("127.0.0.1", port_of(sockets))}
        clients = [socket.create_connection(("127.0.0.1", port_of(sockets))) for _ in range(200)]
        parts = [waiting_at(listener) for (listener,) in sockets]
        for client in clients:
            client.close()
    assert sum(parts) == 200
    assert min(parts) > 0


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # Tornado leaves its socket open
@pytest.mark.parametrize("first", [1, 2])
@pytest.mark.parametrize("second", [1, 2])
def test_nobody_else_gets_the_port_however_many_processes_they_have(first: int, second: int) -> None:
    with opened(LOOPBACK, first) as sockets:
        same = Server(host="127.0.0.1", port=port_of(sockets))
        with pytest.raises(BadSettings, match=r"^server\.host and server\.port: "):
            open_sockets(same, second)


def test_a_port_is_free_again_once_its_server_is_gone() -> None:
    with opened(LOOPBACK, 3) as sockets:
        port = port_of(sockets)
        client = socket.create_connection(("127.0.0.1", port))
    with opened(Server(host="127.0.0.1", port=port), 2) as again:
        assert port_of(again) == port
    client.close()


def test_the_line_names_the_port_that_was_picked() -> None:
    with opened(LOOPBACK, 2) as sockets:
        line = announcement(LOOPBACK, sockets[0])
        assert line == f"listening on http://127.0.0.1:{port_of(sockets)}\n"
