"""Which path is served by which handler."""

from __future__ import annotations

from typing import Any

from tornado.routing import Rule

from handlers.base import Application
from handlers.claims import ClaimHandler
from handlers.dev_token import DevTokenHandler
from handlers.exports import ArchiveHandler, ExportHandler
from handlers.health import HealthHandler, MetricsHandler, ReadyHandler
from handlers.manual_reviews import ManualReviewHandler, ReopenHandler
from handlers.media import MediaHandler
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
    return Application(
        routes,
        built.services,
        default_handler_class=NotFoundHandler,
        websocket_max_message_size=MAX_INBOUND_BYTES,
    )
