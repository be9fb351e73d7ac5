"""GET /openapi.json, and /docs, a page to read and try it: both made at the start, both for anyone."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType

from handlers.protocol.operations import Bytes, Documented, Empty, Json, Operation
from handlers.small_body import SmallBodyHandler
from storage.domain.errors import NotFound

_CACHED = ("ETag", "Cache-Control")
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Only what we serve ourselves. Swagger UI draws with style attributes and pictures in data: URLs."""


@dataclass(frozen=True, slots=True)
class FixedContent:
    """What is the same for everyone until the server starts anew."""

    body: bytes
    media_type: str
    etag: str


def fixed(body: bytes, media_type: str) -> FixedContent:
    return FixedContent(body, media_type, f'"{hashlib.sha256(body).hexdigest()[:32]}"')


NOTHING: Mapping[str, FixedContent] = MappingProxyType({})


def docs_contents() -> dict[str, FixedContent]:
    """The page of /docs under "", and what it loads by name. Read once, at the start: two megabytes."""
    ours = files("handlers") / "docs"
    swagger = files("swagger_ui_bundle") / "vendor" / "swagger-ui-5.31.0"
    places = {
        "": (ours / "index.html", "text/html; charset=utf-8"),
        "start.js": (ours / "start.js", "text/javascript; charset=utf-8"),
        "swagger-ui-bundle.js": (swagger / "swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
        "swagger-ui.css": (swagger / "swagger-ui.css", "text/css; charset=utf-8"),
        "favicon.png": (swagger / "favicon-32x32.png", "image/png"),
    }
    return {name: fixed(place.read_bytes(), kind) for name, (place, kind) in places.items()}


class FixedContentHandler(SmallBodyHandler):
    """Answers with what never changes while we run, by name; a browser that has it is told so (304)."""

    public = True

    def initialize(self, contents: Mapping[str, FixedContent] = NOTHING) -> None:
        super().initialize()
        self._contents = contents

    def get(self, name: str = "") -> None:
        content = self._contents.get(name)
        if content is None:
            raise NotFound
        self.set_header("ETag", content.etag)
        self.set_header("Cache-Control", "no-cache")  # kept, but asked for: the next release has another
        if self.check_etag_header():
            self.set_status(304)
            return
        self.set_header("Content-Type", content.media_type)
        self.write(content.body)


class OpenApiHandler(FixedContentHandler):
    """GET /openapi.json."""

    documented = Documented(
        "/openapi.json",
        tag="operation",
        get=Operation("This document", {200: Json(dict[str, object], _CACHED), 304: Empty(_CACHED)}),
    )


class DocsHandler(FixedContentHandler):
    """GET /docs."""

    documented = Documented(
        "/docs",
        tag="operation",
        get=Operation(
            "A page to read and try this", {200: Bytes(("text/html",), _CACHED), 304: Empty(_CACHED)}
        ),
    )

    def set_default_headers(self) -> None:
        super().set_default_headers()
        self.set_header("Content-Security-Policy", _POLICY)
        self.set_header("Referrer-Policy", "no-referrer")


class DocsAssetHandler(DocsHandler):
    """GET /docs/{asset}: what that page loads."""

    documented = Documented(
        "/docs/{asset}",
        tag="operation",
        get=Operation(
            "What that page loads",
            {200: Bytes(("text/javascript", "text/css", "image/png"), _CACHED), 304: Empty(_CACHED)},
        ),
    )
