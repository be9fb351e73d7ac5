"""Signed, expiring links to media: whoever has one may read that file until then, so that `<img>` and
`<audio>` work without a header (design section 3). Pure: the time is handed in.
"""

from __future__ import annotations

import hashlib
import hmac
import math
from collections.abc import Sequence
from dataclasses import dataclass

PREFIX = "/media/"
_SIGNATURE_CHARS = 32
"""128 bits of HMAC-SHA256 in hexadecimal."""


@dataclass(frozen=True)
class MediaLinks:
    """`keys` are raw secrets, the signing one first; links signed with the others are still honoured."""

    keys: Sequence[bytes]
    ttl_seconds: int

    def url(self, path: str, now: float) -> str:
        """`/media/{path}?expires=…&signature=…`, good for `ttl_seconds` and up to a tenth more: links made close
        to each other are the same, so that a browser's cache can know the file."""
        grain = max(1, self.ttl_seconds // 10)
        expires = math.ceil((now + self.ttl_seconds) / grain) * grain
        return f"{PREFIX}{path}?expires={expires}&signature={_sign(self.keys[0], path, str(expires))}"

    def opens(self, path: str, expires: str, signature: str, now: float) -> bool:
        """True if the query of a link to `path` is genuine and not over."""
        if not (expires.isascii() and expires.isdigit() and len(expires) <= 12) or int(expires) <= now:
            return False
        given = signature.encode()
        return any(hmac.compare_digest(_sign(key, path, expires).encode(), given) for key in self.keys)


def _sign(key: bytes, path: str, expires: str) -> str:
    message = f"media:{path}:{expires}".encode()
    return hmac.new(key, message, hashlib.sha256).hexdigest()[:_SIGNATURE_CHARS]
