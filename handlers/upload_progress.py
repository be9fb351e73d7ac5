"""Tells the student's sockets how far an upload has come (`X-Upload-Id`; design section 4, `upload.progress`).

Volatile and cheap: few messages, of which only the last matters, and only what is on the disk counts. The student
may listen to another process than the one that takes the upload.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from handlers.protocol.channels import user_channel
from handlers.status_hub import StatusHub
from storage.domain.errors import ServiceError
from storage.domain.file_operations import FileProgress

_INTERVAL_SECONDS = 0.34
"""Three messages a second and the last one: four at most."""


class UploadProgress:
    """One upload's messages. `upload_id` None: the client did not ask for any."""

    def __init__(self, hub: StatusHub, user_id: str, upload_id: str | None, total_bytes: int | None) -> None:
        self._hub = hub
        self._channel = user_channel(user_id)
        self._upload_id = upload_id
        self._total_bytes = total_bytes
        self._due_at = 0.0

    def is_due(self) -> bool:
        """True when it is time for a message: then write out what was received."""
        return self._upload_id is not None and time.monotonic() >= self._due_at

    def report(self, received_bytes: int, files: Sequence[FileProgress]) -> None:
        """Say that all of `received_bytes` is dealt with; does nothing before it is due."""
        if self.is_due():
            self._due_at = time.monotonic() + _INTERVAL_SECONDS
            self._publish(received_bytes, [(file, _state(file)) for file in files])

    def accepted(self, received_bytes: int, files: Sequence[FileProgress]) -> None:
        """The last message of an upload that got its 201."""
        self._publish(received_bytes, [(file, "accepted") for file in files])

    def refused(self, received_bytes: int, files: Sequence[FileProgress], why: ServiceError) -> None:
        """The last message of one that did not: the files that `why` names, or else all that were not complete."""
        at_fault = {file.field for file in files if file.field in why.details} or {
            file.field for file in files if not file.is_complete
        }
        states = [(file, "refused" if file.field in at_fault else _state(file)) for file in files]
        self._publish(received_bytes, states)

    def _publish(self, received_bytes: int, files: Sequence[tuple[FileProgress, str]]) -> None:
        if self._upload_id is None:
            return
        self._hub.publish_volatile(
            self._channel,
            self._upload_id,
            {
                "type": "upload.progress",
                "upload_id": self._upload_id,
                "received_bytes": received_bytes,
                "total_bytes": self._total_bytes,
                "files": [
                    {"field": file.field, "received_bytes": file.size_bytes, "state": state}
                    for file, state in files
                ],
            },
        )


def _state(file: FileProgress) -> str:
    return "accepted" if file.is_complete else "receiving"
