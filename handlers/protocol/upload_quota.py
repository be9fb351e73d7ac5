"""How many uploads may be under way, of one user and in all, and how many of their bytes unfinished. Pure.

Per user and never per address: a school shares one address (design section 3, *Errors*).
"""

from __future__ import annotations

from dataclasses import dataclass

from handlers.protocol.slots import Slots
from storage.domain.errors import Busy, TooManyUploads


@dataclass(frozen=True, slots=True)
class QuotaLimits:
    """See `limits` in config.yaml; of one process."""

    uploads: int
    draft_bytes: int


class UploadQuota:
    """The uploads of this process; `per_user` counts those of the others too."""

    def __init__(self, limits: QuotaLimits, per_user: Slots) -> None:
        self._limits = limits
        self._per_user = per_user
        self.uploads = 0
        self.draft_bytes = 0

    def enter(self, user_id: str) -> Share:
        """A place for one more upload; raises TooManyUploads or Busy. Whoever gets it must `leave` it."""
        if not self._per_user.take(user_id):
            raise TooManyUploads
        if self.uploads >= self._limits.uploads or self.draft_bytes >= self._limits.draft_bytes:
            self._per_user.free(user_id)
            raise Busy
        self.uploads += 1
        return Share(self, user_id)

    def _took(self, size_bytes: int) -> None:
        if self.draft_bytes + size_bytes > self._limits.draft_bytes:
            raise Busy
        self.draft_bytes += size_bytes

    def _left(self, user_id: str, draft_bytes: int) -> None:
        self.uploads -= 1
        self.draft_bytes -= draft_bytes
        self._per_user.free(user_id)


class Share:
    """What one upload has of the quota."""

    def __init__(self, quota: UploadQuota, user_id: str) -> None:
        self._quota = quota
        self._user_id = user_id
        self._draft_bytes = 0
        self._is_left = False

    def take(self, size_bytes: int) -> None:
        """Count bytes that go to the disk; raises Busy when there are too many of all uploads together."""
        self._quota._took(size_bytes)
        self._draft_bytes += size_bytes

    def leave(self) -> None:
        """The upload is over. Idempotent."""
        if not self._is_left:
            self._is_left = True
            self._quota._left(self._user_id, self._draft_bytes)
