"""Which path is served by which handler."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import orjson
from tornado.routing import PathMatches, Rule, RuleRouter

from handlers.base import Application, BaseHandler
from handlers.claims import ClaimHandler
from handlers.dev_token import DevTokenHandler
from handlers.exports import ArchiveHandler, ExportHandler
from handlers.health import HealthHandler, MetricsHandler, ReadyHandler
from handlers.manual_reviews import ManualReviewHandler, ReopenHandler
from handlers.media import MediaHandler
from handlers.openapi import (
    NOTHING,
    DocsAssetHandler,
    DocsHandler,
    FixedContent,
    OpenApiHandler,
    docs_contents,
    fixed,
)
from handlers.openapi_document import build_document
from handlers.receipts import ReceiptHandler
from handlers.review_figures import FiguresHandler
from handlers.review_queue import ManualReviewsHandler, NextReviewHandler
from handlers.small_body import NotFoundHandler
from handlers.status_socket import MAX_INBOUND_BYTES, NoSocketHandler, StatusSocketHandler, WebSocketPath
from handlers.test_results import TestResultHandler, TestResultsHandler
from handlers.upload import SpeakingUploadHandler, WritingUploadHandler
from server.services import Built

_ID = r"([0-9]{1,15})"
"""Longer numbers are no ids of ours, and no BSON integers either: they are simply not found."""
_MEDIA = r"((?:writing|speaking)/[0-9]{4}/[0-9]{2}/[0-9]{2}/[0-9a-f]{32}(?:-view|-thumb)?\.[a-z0-9]{3,4})"
"""Exactly the names of originals and of copies; nothing else below the media root can be asked for."""


def build_application(built: Built) -> Application:
    """Every path works with and without its trailing slash."""
    socket = {"feed": built.feed, "limits": built.status_limits}
    return Application(
        [*_routes(socket), *_documents(_fixed_document(), _fixed_docs())],
        built.services,
        default_handler_class=NotFoundHandler,
        websocket_max_message_size=MAX_INBOUND_BYTES,
    )


def api_document() -> dict[str, Any]:
    """openapi.json: all that is served."""
    return build_document(handler for _, handler in served())


def document_text() -> str:
    """openapi.json as it lies in the repository."""
    return orjson.dumps(api_document(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()


def served() -> list[tuple[re.Pattern[str], type[BaseHandler]]]:
    """Which handler serves which paths, in the order in which they are tried."""
    rules = RuleRouter([*_routes({}), *_documents(NOTHING, NOTHING)]).rules
    return [(rule.matcher.regex, rule.target) for rule in rules if isinstance(rule.matcher, PathMatches)]


@cache
def _fixed_document() -> Mapping[str, FixedContent]:
    return {"": fixed(orjson.dumps(api_document()), "application/json; charset=utf-8")}


_fixed_docs = cache(docs_contents)


def _documents(document: Mapping[str, FixedContent], docs: Mapping[str, FixedContent]) -> list[Any]:
    """What describes the rest, and itself."""
    return [
        (r"/openapi\.json/?", OpenApiHandler, {"contents": document}),
        (r"/docs/?", DocsHandler, {"contents": docs}),
        (r"/docs/([a-z0-9.-]{1,64})/?", DocsAssetHandler, {"contents": docs}),
    ]


def _routes(socket: dict[str, Any]) -> list[Any]:
    routes: list[Any] = [
        (r"/multilevel/testcheck/writing/?", WritingUploadHandler),
        (r"/multilevel/testcheck/speaking/?", SpeakingUploadHandler),
        (rf"/multilevel/test-result/{_ID}/?", TestResultHandler),
        (r"/multilevel/test-results/?", TestResultsHandler),
        (r"/multilevel/manual-reviews/?", ManualReviewsHandler),
        (r"/multilevel/manual-reviews/next/?", NextReviewHandler),
        (r"/multilevel/manual-reviews/stats/?", FiguresHandler),
        (r"/multilevel/manual-reviews/export\.csv/?", ExportHandler),
        (rf"/multilevel/manual-reviews/{_ID}/files\.zip/?", ArchiveHandler),
        (rf"/multilevel/manual-reviews/{_ID}/?", ManualReviewHandler),
        (rf"/multilevel/manual-reviews/{_ID}/claim/?", ClaimHandler),
        (rf"/multilevel/manual-reviews/{_ID}/reopen/?", ReopenHandler),
        (r"/multilevel/receipts/([^/]{1,765})/?", ReceiptHandler),
        (rf"/media/{_MEDIA}/?", MediaHandler),
        Rule(WebSocketPath(r"/connection/websocket/?"), StatusSocketHandler, socket),
        (r"/connection/websocket/?", NoSocketHandler),
        (r"/healthz/?", HealthHandler),
        (r"/readyz/?", ReadyHandler),
        (r"/metrics/?", MetricsHandler),
        (r"/dev/token/?", DevTokenHandler),
    ]
    return routes
