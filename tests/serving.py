"""A server on real parts inside the test's own loop, put together as `server/lifecycle.py` does."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.netutil import bind_sockets

from handlers.base import Application
from handlers.protocol.centrifugo import CloseCode
from server.application import build_application
from server.http_server import CHUNK_BYTES, UploadServer
from server.services import Built, build
from server.settings import Settings
from storage.indexes import ensure_indexes

SECRET = "a secret for tests, long enough for HS256"


@contextmanager
def collaborators(io_loop: IOLoop, settings: Settings) -> Iterator[Built]:
    """Everything a server consists of, opened and started."""
    built = build(settings, settings.mongo.uri.get_secret_value(), SECRET)
    services = built.services
    services.vault.open()
    io_loop.run_sync(lambda: ensure_indexes(services.database))
    io_loop.run_sync(built.feed.start)
    yield built
    services.database.close()
    services.vault.close()


@contextmanager
def application(io_loop: IOLoop, built: Built) -> Iterator[Application]:
    """The application, which follows the others and the changes whenever the loop runs."""
    application = build_application(built)

    async def follow() -> list[asyncio.Task[None]]:
        hearer = built.services.hub.heard_elsewhere
        return [
            application.tasks.start(built.feed.run(), "change feed"),
            application.tasks.start(built.broadcast.run(hearer), "broadcast"),
            application.tasks.start(built.services.hub.watch_the_clock(), "clock of the sockets"),
        ]

    async def end(following: list[asyncio.Task[None]]) -> None:
        built.services.hub.disconnect_all(CloseCode.SHUTDOWN)
        for task in following:
            task.cancel()
        await application.tasks.drain()

    following = io_loop.run_sync(follow)
    yield application
    io_loop.run_sync(lambda: end(following))


@contextmanager
def listening(io_loop: IOLoop, application: Application) -> Iterator[str]:
    """The base URL of the application on a free port."""
    (listener,) = bind_sockets(0, "127.0.0.1")
    server = UploadServer(application, chunk_size=CHUNK_BYTES)
    server.add_socket(listener)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    stop(io_loop, server)


def stop(io_loop: IOLoop, server: HTTPServer) -> None:
    server.stop()
    io_loop.run_sync(server.close_all_connections)
