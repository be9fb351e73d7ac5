"""From ready to serve to stopped: listen, follow the change feed, sweep, drain, close.

At SIGTERM or SIGINT: the port closes, sockets get 3001, uploads in flight may finish for `server.drain_seconds`;
those that then still come in are answered 503.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

from handlers.background import BackgroundTasks
from handlers.base import Application
from handlers.protocol.centrifugo import CloseCode
from server.application import build_application
from server.embedded_mongod import EmbeddedMongod
from server.http_server import CHUNK_BYTES, PacedListener, UploadServer
from server.services import Built, Shared, build
from server.settings import Settings, naming
from storage.domain.errors import ServiceError
from storage.indexes import ensure_indexes
from storage.media_sweep import RegularSweep

log = structlog.get_logger(__name__)

_IDLE_CONNECTION_SECONDS = 75.0
"""How long a connection may wait for its next request: longer than nginx keeps its own side open."""
_GC_NEW_OBJECTS = 20_000
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_MONGOD_WATCH_SECONDS = 1.0
_RELEASE_SECONDS = 1.0
"""How late others may hear that a lease ran out."""


@dataclass(frozen=True, slots=True)
class Duties:
    """What is up to a process besides serving, which depends on whether it serves alone."""

    listen: Callable[[], list[socket.socket]]
    """Called once all is there to serve with."""
    serving: Callable[[Sequence[socket.socket]], None]
    """Called once requests are served."""
    mongod: EmbeddedMongod | None = None
    """To keep running."""
    worker: int | None = None
    """None: it serves alone."""
    shared: Shared | None = None
    """With the other workers."""


async def serve(settings: Settings, mongo_uri: str, secret: str, duties: Duties) -> None:
    """Serve until told to stop. Raises ServiceError if MongoDB or the disk cannot be used at the start."""
    built = build(settings, mongo_uri, secret, duties.shared)
    vault, database = built.services.vault, built.services.database
    if settings.dev_login and not duties.worker:
        log.info("auth.dev_login is on: whoever reaches this server can be anyone")
    tasks = BackgroundTasks()
    with naming("media.root"):
        vault.open()
    try:
        await ensure_indexes(database)
        await built.feed.start()
        application = build_application(built)
        told_to_stop = _listen_for_signals() if duties.worker is None else _listen_for_supervisor()
        _ease_garbage_collection()
        server = _listen(settings, application, duties)
        follow = [
            tasks.start(built.feed.run(), "change feed"),
            tasks.start(built.broadcast.run(built.services.hub.heard_elsewhere), "broadcast"),
            tasks.start(built.services.hub.watch_the_clock(), "clock of the sockets"),
            tasks.start(_release_regularly(built), "release of expired claims"),
        ]
        if settings.examination.enabled:
            follow.append(tasks.start(built.examiner.run(), "examination"))
        if not duties.worker:  # one does it for all
            follow.append(tasks.start(_sweep_regularly(settings, built), "sweep"))
        if duties.mongod is not None:
            follow.append(tasks.start(_keep_running(duties.mongod), "embedded mongod"))
        await told_to_stop.wait()
        await _stop(settings, built, application, server)
        for task in follow:
            task.cancel()
        await tasks.drain()
    finally:
        database.close()
        vault.close()


def _ease_garbage_collection() -> None:
    """What is there now stays: take it out of every later collection, and collect less often. Uploads leave no
    cycles that are worth looking at all live objects after every few hundred new ones."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_NEW_OBJECTS, 20, 50)


def _listen(settings: Settings, application: Application, duties: Duties) -> UploadServer:
    sockets = [PacedListener(listener) for listener in duties.listen()]
    server = UploadServer(
        application,
        chunk_size=CHUNK_BYTES,
        idle_connection_timeout=_IDLE_CONNECTION_SECONDS,
        xheaders=settings.server.trust_proxy,
    )
    server.add_sockets(sockets)
    duties.serving(sockets)
    return server


def _listen_for_signals() -> asyncio.Event:
    """Set at the first SIGTERM or SIGINT; a second one ends the process without waiting for anybody."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        told.set()
        for number in _STOP_SIGNALS:
            loop.remove_signal_handler(number)

    for number in _STOP_SIGNALS:
        loop.add_signal_handler(number, stop)
    return told


def _listen_for_supervisor() -> asyncio.Event:
    """Set at SIGTERM; another one changes nothing. systemd signals every process of a service besides."""
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    return told


async def _stop(settings: Settings, built: Built, application: Application, server: UploadServer) -> None:
    log.info("stopping", drain_seconds=settings.server.drain_seconds)
    server.stop()
    application.stopping = True
    built.services.hub.disconnect_all(CloseCode.SHUTDOWN)
    if not await _within(settings.server.drain_seconds, application.in_flight.drained()):
        # Those whose body is complete go on, and those that are refused get to read it.
        log.warning("answering 503 to what still comes in")
        application.in_flight.cut_short()
        grace = max(settings.limits.linger_seconds, settings.mongo.wait_seconds)
        if not await _within(grace, application.in_flight.drained()):
            log.warning("requests in flight were cut off")
    built.services.hub.disconnect_all(CloseCode.SHUTDOWN)  # handshakes that were under way
    await server.close_all_connections()
    if not await _within(settings.server.drain_seconds, application.tasks.drain()):
        log.warning("background tasks were cut off")
    log.info("stopped")


async def _within(seconds: float, work: Awaitable[None]) -> bool:
    """True if `work` was done in so long."""
    try:
        async with asyncio.timeout(seconds):
            await work
    except TimeoutError:
        return False
    return True


async def _sweep_regularly(settings: Settings, built: Built) -> None:
    services, untouched_seconds = built.services, settings.media.draft_ttl_seconds
    sweep = RegularSweep(services.vault, services.submissions, untouched_seconds, services.clock)
    while True:
        try:
            await sweep.run()
        except ServiceError as error:
            log.warning("sweep put off", cause=error.code)
        except Exception:
            log.exception("sweep failed, trying again")
        await asyncio.sleep(settings.media.sweep_seconds)


async def _release_regularly(built: Built) -> None:
    while True:
        await asyncio.sleep(_RELEASE_SECONDS)
        try:
            await built.services.desk.release_expired()
        except ServiceError as error:
            log.debug("release of expired claims put off", cause=error.code)
        except Exception:
            log.exception("release of expired claims failed, trying again")


async def _keep_running(mongod: EmbeddedMongod) -> None:
    while True:
        await asyncio.sleep(_MONGOD_WATCH_SECONDS)
        mongod.look_after()
