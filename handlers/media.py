"""Uploaded files, to their owner, to reviewers, and to whoever has a signed link (design section 3)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import aiofiles
import aiofiles.os
from tornado.iostream import StreamClosedError

from handlers.protocol.byte_range import read_range
from handlers.protocol.operations import Bytes, Documented, Empty, Operation, Parameter
from handlers.small_body import SmallBodyHandler
from storage.domain.errors import Forbidden, NotFound, RangeNotSatisfiable
from storage.domain.media_rules import MEDIA_TYPE_BY_EXTENSION
from storage.domain.people import EVERYONE
from storage.domain.photo_metadata import Part, cut, shown_parts, size_of

_CHUNK_BYTES = 256 << 10
"""One thread hop reads this much; a slow reader holds no more than this in memory."""
_MEDIA_TYPES = tuple(sorted(set(MEDIA_TYPE_BY_EXTENSION.values())))
_CACHED = ("ETag", "Accept-Ranges", "Cache-Control")


class MediaHandler(SmallBodyHandler):
    """GET and HEAD /media/{path}: Range, If-Range, ETag, shown inline.

    A file never changes under its name, so the name is its ETag; a photo without its metadata has
    one of its own.
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
        """A photo as it was sent only its owner gets, who says so with a token; it may tell where it was taken."""
        is_owner = await self._check_owner(path)
        place = self.services.vault.locate(path)
        name = PurePosixPath(path)
        try:
            if is_owner or not _is_uploaded_photo(name):
                parts: list[Part] = [slice(0, (await aiofiles.os.stat(place)).st_size)]
                etag = f'"{name.stem}"'
            else:
                parts = await self.services.vault.submit(lambda: _parts_of_photo(place))
                etag = f'"{name.stem}-clean"'
        except FileNotFoundError:
            raise NotFound from None
        self.set_header("ETag", etag)
        self.set_header("Accept-Ranges", "bytes")
        self.set_header("Vary", "Origin, Authorization")  # on a shared computer the next one is somebody else
        self.set_header("Cache-Control", f"private, max-age={self.services.links.ttl_seconds}, immutable")
        if self.check_etag_header():
            self.set_status(304)
            return
        headers = self.request.headers
        size_bytes = size_of(parts)
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
            await self._send(str(place), cut(parts, first, length))

    async def _check_owner(self, path: str) -> bool:
        """With a token: the owner, then True, or a reviewer. With a link nothing more is asked."""
        if self._principal is None:
            return False
        owner = await self.services.submissions.find_owner(path)
        if owner is None:
            raise NotFound
        is_owner = owner == self._principal.person.id
        if not self._principal.is_reviewer and not is_owner:
            raise Forbidden
        return is_owner

    async def _send(self, place: str, parts: Iterable[Part]) -> None:
        async with aiofiles.open(place, "rb") as file:
            for part in parts:
                if isinstance(part, bytes):
                    self.write(part)
                    continue
                await file.seek(part.start)
                length = part.stop - part.start
                while length > 0:
                    chunk = await file.read(min(_CHUNK_BYTES, length))
                    if not chunk:
                        raise OSError(f"{place} is shorter than it was")
                    length -= len(chunk)
                    self.write(chunk)
                    if not await self._is_read():
                        return

    async def _is_read(self) -> bool:
        """Wait for a slow reader; False if there is none any more."""
        try:
            async with asyncio.timeout(self.services.body_limits.pace.idle_seconds):
                await self.flush()
        except StreamClosedError:
            return False  # a player that seeks hangs up and asks again
        except TimeoutError:
            self._connection.close()  # a reader that stopped must not hold a file for ever
            return False
        return True


def _is_uploaded_photo(name: PurePosixPath) -> bool:
    """Copies have a dash in their name, and no metadata."""
    return MEDIA_TYPE_BY_EXTENSION[name.suffix[1:]].startswith("image/") and "-" not in name.stem


def _parts_of_photo(place: Path) -> list[Part]:
    """What of a photo is for everyone."""
    return shown_parts(place.read_bytes())
