"""Uploaded files, to their owner, to reviewers, and to whoever has a signed link (design section 3)."""

from __future__ import annotations

import asyncio
import time
from pathlib import PurePosixPath

import aiofiles
import aiofiles.os
from tornado.iostream import StreamClosedError

from handlers.protocol.byte_range import read_range
from handlers.protocol.operations import Bytes, Documented, Empty, Operation, Parameter
from handlers.small_body import SmallBodyHandler
from storage.domain.errors import Forbidden, NotFound, RangeNotSatisfiable
from storage.domain.media_rules import MEDIA_TYPE_BY_EXTENSION
from storage.domain.people import EVERYONE

_CHUNK_BYTES = 256 << 10
"""One thread hop reads this much; a slow reader holds no more than this in memory."""
_MEDIA_TYPES = tuple(sorted(set(MEDIA_TYPE_BY_EXTENSION.values())))
_CACHED = ("ETag", "Accept-Ranges", "Cache-Control")


class MediaHandler(SmallBodyHandler):
    """GET and HEAD /media/{path}: Range, If-Range, ETag, shown inline.

    A file never changes under its name, so the name is its ETag.
    """

    access = EVERYONE
    documented = Documented(
        "/media/{section}/{year}/{month}/{day}/{name}",
        tag="media",
        get=Operation(
            "A file",
            {
                200: Bytes(_MEDIA_TYPES, _CACHED),
                206: Bytes(_MEDIA_TYPES, (*_CACHED, "Content-Range")),
                304: Empty(_CACHED),
            },
            description="`url` fields name it. Their query opens it without a token; else owner and reviewers may.",
            parameters=(
                Parameter("expires", {"type": "string"}, "Of a signed link."),
                Parameter("signature", {"type": "string"}, "Of a signed link."),
                Parameter("Range", {"type": "string"}, "One range of bytes; others are ignored.", "header"),
                Parameter("If-Range", {"type": "string"}, "The ETag that the range belongs to.", "header"),
                Parameter("If-None-Match", {"type": "string"}, place="header"),
            ),
            refusals=(RangeNotSatisfiable,),
            link=True,
        ),
    )

    async def authorise(self) -> None:
        """A signed link needs no token; with a token, it does not matter that a link is over."""
        signature = self.get_query_argument("signature", None)
        expires = self.get_query_argument("expires", "")
        opens = signature is not None and self.services.links.opens(
            self.path_args[0], expires, signature, time.time()
        )
        if opens:
            return
        if signature is not None and "Authorization" not in self.request.headers:
            raise Forbidden
        await super().authorise()

    async def get(self, path: str) -> None:
        await self._check_owner(path)
        place = self.services.vault.locate(path)
        try:
            size_bytes = (await aiofiles.os.stat(place)).st_size
        except FileNotFoundError:
            raise NotFound from None
        name = PurePosixPath(path)
        etag = f'"{name.stem}"'
        self.set_header("ETag", etag)
        self.set_header("Accept-Ranges", "bytes")
        self.set_header("Vary", "Origin, Authorization")  # on a shared computer the next one is somebody else
        self.set_header("Cache-Control", f"private, max-age={self.services.links.ttl_seconds}, immutable")
        if self.check_etag_header():
            self.set_status(304)
            return
        headers = self.request.headers
        wanted = headers.get("Range") if self.request.method == "GET" else None  # RFC 9110, 14.2
        part = read_range(wanted, headers.get("If-Range"), etag, size_bytes)
        self.set_header("Content-Type", MEDIA_TYPE_BY_EXTENSION[name.suffix[1:]])
        self.set_header("Content-Disposition", f'inline; filename="{name.name}"')
        # A browser that opens the file itself must not run anything in it.
        self.set_header("Content-Security-Policy", "default-src 'none'; media-src 'self'; sandbox")
        first, length = (part.first, part.length) if part else (0, size_bytes)
        if part:
            self.set_status(206)
            self.set_header("Content-Range", part.content_range)
        self.set_header("Content-Length", str(length))
        if self.request.method == "GET":
            await self._send(str(place), first, length)

    async def _check_owner(self, path: str) -> None:
        """With a token: the owner or a reviewer. With a link nothing more is asked."""
        if self._principal is None:
            return
        owner = await self.services.submissions.find_owner(path)
        if owner is None:
            raise NotFound
        if not self._principal.is_reviewer and owner != self._principal.person.id:
            raise Forbidden

    async def _send(self, place: str, first: int, length: int) -> None:
        async with aiofiles.open(place, "rb") as file:
            await file.seek(first)
            while length > 0:
                chunk = await file.read(min(_CHUNK_BYTES, length))
                if not chunk:
                    raise OSError(f"{place} is shorter than it was")
                length -= len(chunk)
                self.write(chunk)
                try:
                    async with asyncio.timeout(self.services.body_limits.pace.idle_seconds):
                        await self.flush()  # waits for a slow reader
                except StreamClosedError:
                    return  # a player that seeks hangs up and asks again
                except TimeoutError:
                    self._connection.close()  # a reader that stopped must not hold a file for ever
                    return
