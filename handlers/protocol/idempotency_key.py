"""Idempotency-Key and X-Upload-Id, the two headers by which a client names an upload (design section 3). Pure."""

from __future__ import annotations

import re

from storage.domain.errors import InvalidRequest

_KEY = re.compile(r"[\x21-\x7e]{1,255}")
"""Any visible ASCII: UUIDs, ULIDs, what else clients make; as long as payment APIs allow, which made keys known."""
_UPLOAD_ID = re.compile(r"[A-Za-z0-9-]{8,64}")


def read_key(header: str | None) -> str | None:
    """The key of an Idempotency-Key header, None without one; raises InvalidRequest.

    Quotes around it are taken off: draft-ietf-httpapi-idempotency-key-header writes it as a quoted string, most
    clients do not.
    """
    if header is None:
        return None
    key = header.strip()
    if len(key) > 2 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not _KEY.fullmatch(key):
        raise InvalidRequest(details={"Idempotency-Key": ["1 to 255 visible ASCII characters are needed."]})
    return key


def read_upload_id(header: str | None) -> str | None:
    """The client's name for progress messages; None without one, or with one that is none (it is ignored)."""
    return header if header is not None and _UPLOAD_ID.fullmatch(header) else None
