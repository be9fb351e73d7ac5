"""`server.processes` > 1: workers that each serve as a lone process does, and what they have in common."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable

import structlog

from handlers.metrics import Metrics
from server.embedded_mongod import EmbeddedMongod
from server.exit_status import exit_status
from server.lifecycle import Duties, serve
from server.listening import announcement, open_sockets
from server.logs import configure_logs
from server.services import Shared
from server.settings import Settings, naming
from server.shared_metrics import SharedMetrics
from server.shared_slots import SharedSlots

log = structlog.get_logger(__name__)


class ServingWorkers:
    """The job of `server/supervisor.py`. Made in the supervisor, before there is any worker; raises BadSettings if
    the port or the state directory cannot be used."""

    def __init__(
        self, settings: Settings, mongo_uri: str, secret: str, mongod: EmbeddedMongod | None
    ) -> None:
        self._settings = settings
        self._mongo_uri = mongo_uri
        self._secret = secret
        self._mongod = mongod
        self._metrics = SharedMetrics(settings.server.state_dir / "metrics", settings.server.processes)
        with naming("server.state_dir"):
            self._metrics.make()
        self._sockets = open_sockets(settings.server, settings.server.processes)
        """Open here too as long as the server runs: connections that wait for a dead worker wait for the next."""

    def work(self, number: int, is_ready: Callable[[], None]) -> int:
        configure_logs(self._settings.logs, worker=number)
        for other, sockets in enumerate(self._sockets):
            if other != number:
                _close(sockets)

        def run() -> int:
            duties = Duties(
                listen=lambda: self._sockets[number],
                serving=lambda _: is_ready(),
                worker=number,
                shared=self._share(number),
            )
            asyncio.run(serve(self._settings, self._mongo_uri, self._secret, duties))
            return 0

        return exit_status(run)

    def all_ready(self) -> None:
        sys.stdout.write(announcement(self._settings.server, self._sockets[0]))
        sys.stdout.flush()

    def look_after(self) -> None:
        if self._mongod is not None:
            self._mongod.look_after()

    def died(self, number: int) -> None:
        try:
            self._metrics.died(number)
        except OSError as error:
            log.error("a dead worker's sockets are still counted", worker=number, cause=str(error))

    def stopping(self) -> None:
        for sockets in self._sockets:
            _close(sockets)

    def _share(self, number: int) -> Shared:
        settings, folder = self._settings, self._settings.server.state_dir / "slots"
        return Shared(
            processes=settings.server.processes,
            sockets=SharedSlots(folder / "sockets", settings.status.sockets_per_user),
            uploads=SharedSlots(folder / "uploads", settings.limits.uploads_per_user),
            metrics=Metrics(self._metrics.join(number)),
        )


def _close(sockets: list[socket.socket]) -> None:
    for each in sockets:
        each.close()
