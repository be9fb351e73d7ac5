"""What a process says, and the status it exits with, when it cannot do what it was started for."""

from __future__ import annotations

import sys
from collections.abc import Callable

from server.embedded_mongod import MongodUnavailable
from server.settings import BadSettings
from server.state_dir import StateDirInUse
from storage.catalogue import UnreadableCatalogue
from storage.database import cause_of
from storage.domain.errors import Unavailable

BAD_CONFIGURATION, FAILED = 2, 1


def exit_status(command: Callable[[], int]) -> int:
    """What `command` returns, or the status of a failure that is foreseen, which is told on standard error."""
    try:
        return command()
    except BadSettings as error:
        return _fail(f"bad configuration:\n{error}", BAD_CONFIGURATION)
    except (StateDirInUse, MongodUnavailable, UnreadableCatalogue, OSError) as error:
        return _fail(str(error), FAILED)
    except Unavailable as error:
        return _fail(f"mongo.uri: {cause_of(error)}", FAILED)


def _fail(message: str, status: int) -> int:
    sys.stderr.write(message + "\n")
    return status
