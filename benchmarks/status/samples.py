"""What one round of one server brings, test by test. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.common.tables import percentile


@dataclass(slots=True)
class Load:
    """What a stretch cost. `client_share`: how much of its core the load generator needed; `others_share`: how
    much of the server's core went to anything else, MongoDB included."""

    server_cpu_seconds: float = 0
    client_share: float = 0
    others_share: float = 0


@dataclass(frozen=True, slots=True)
class Held:
    """Idle clients: how much the server grew by for them, and the kernel for both ends of each."""

    clients: int
    server_bytes: int
    kernel_bytes: int
    seconds: float

    @property
    def bytes_each(self) -> float:
        return self.server_bytes / self.clients

    def __str__(self) -> str:
        return f"{self.clients:6,} clients {self.bytes_each / 1000:7.1f} kB each"


@dataclass(frozen=True, slots=True)
class Pushes:
    """PUT → push: the seconds from each request's sending to the student's push, with so many connected."""

    clients: int
    seconds: Sequence[float]
    load: Load

    @property
    def cpu_seconds_each(self) -> float:
        return self.load.server_cpu_seconds / len(self.seconds)

    def __str__(self) -> str:
        return f"{self.clients:6,} clients {_summary(self.seconds)}"


@dataclass(frozen=True, slots=True)
class FanOuts:
    """One event to so many: seconds from the request to the last client's receipt, and from the first's."""

    clients: int
    to_last: Sequence[float]
    first_to_last: Sequence[float]
    message_bytes: float
    load: Load

    @property
    def cpu_seconds_each(self) -> float:
        return self.load.server_cpu_seconds / len(self.to_last)

    def __str__(self) -> str:
        return f"{self.clients:6,} clients {_summary(self.to_last)} to the last"


@dataclass(frozen=True, slots=True)
class Storms:
    """So many clients cut at once, who come back at once: how long until all were served, each time, and the
    seconds from PUT to push of the grades given meanwhile."""

    clients: int
    to_served: Sequence[float]
    pushes: Sequence[float]
    load: Load

    @property
    def cpu_seconds_each(self) -> float:
        """For one client of one storm."""
        return self.load.server_cpu_seconds / len(self.to_served) / self.clients

    def __str__(self) -> str:
        served = percentile(self.to_served, 0.5)
        return f"{self.clients:6,} clients {served:7.2f} s; meanwhile {_summary(self.pushes)}"


def _summary(seconds: Sequence[float]) -> str:
    middle, end = (percentile(seconds, part) * 1000 for part in (0.5, 0.99))
    return f"{middle:7.1f} ms, p99 {end:.1f}"
