"""What every HTTP answer has: an identity, who may ask, CORS, JSON, errors in one shape."""

from __future__ import annotations

import re
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import quote
from zoneinfo import ZoneInfo

import orjson
import structlog
from structlog.contextvars import bind_contextvars
from tornado.httputil import HTTPServerRequest
from tornado.web import Application as TornadoApplication
from tornado.web import RequestHandler

from handlers.auth import Authenticator
from handlers.background import BackgroundTasks, InFlight
from handlers.errors import answer_to, as_service_error, is_unforeseen
from handlers.keys_in_progress import KeysInProgress
from handlers.metrics import Metrics
from handlers.protocol.media_link import MediaLinks
from handlers.protocol.multipart_stream import StreamLimits
from handlers.protocol.operations import Documented
from handlers.protocol.pace import PaceLimits
from handlers.protocol.representations import Representations
from handlers.protocol.upload_form import FormLimits
from handlers.protocol.upload_quota import UploadQuota
from handlers.status_hub import StatusHub
from handlers.status_snapshots import StatusSnapshots
from storage.database import Database
from storage.domain.clock import Clock
from storage.domain.errors import Conflict, Forbidden, MethodNotAllowed, ServiceError
from storage.domain.people import Principal, Role
from storage.domain.ports import Submissions
from storage.domain.rubrics import Rubrics
from storage.media_vault import MediaVault
from storage.review_desk import ReviewDesk
from storage.review_export import ReviewExport
from storage.review_figures import ReviewFigures
from storage.upload_intake import UploadIntake

log = structlog.get_logger(__name__)
access_log = structlog.get_logger("access")

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_CORS_HEADERS = {
    "Access-Control-Allow-Methods": ", ".join((*_METHODS, "OPTIONS")),
    "Access-Control-Allow-Headers": (
        "Authorization, Content-Type, Idempotency-Key, X-Upload-Id, X-Request-Id, Range, If-Range"
    ),
    "Access-Control-Max-Age": "600",
}
_EXPOSED = (
    "X-Request-Id, Retry-After, WWW-Authenticate, Content-Range, Accept-Ranges, ETag, Content-Disposition"
)


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """Bounds on a request body, see `limits` in config.yaml."""

    request_bytes: int
    json_bytes: int
    pace: PaceLimits
    drain_bytes: int
    drain_seconds: float
    linger_seconds: float


@dataclass(frozen=True)
class Services:
    """Everything handlers work with; built in one place, `server/services.py`."""

    auth: Authenticator
    intake: UploadIntake
    quota: UploadQuota
    keys_in_progress: KeysInProgress
    desk: ReviewDesk
    figures: ReviewFigures
    export: ReviewExport
    time_zone: ZoneInfo
    """Whose midnight a day of the reviews begins at."""
    submissions: Submissions
    rubrics: Rubrics
    vault: MediaVault
    database: Database
    hub: StatusHub
    snapshots: StatusSnapshots
    links: MediaLinks
    metrics: Metrics
    clock: Clock
    form_limits: FormLimits
    stream_limits: StreamLimits
    body_limits: BodyLimits
    allowed_origins: Collection[str]
    dev_login: bool


class Application(TornadoApplication):
    """Tornado's application with typed services."""

    def __init__(self, routes: list[Any], services: Services, **settings: Any) -> None:
        self.services = services
        self.tasks = BackgroundTasks()
        self.in_flight = InFlight()
        self.stopping = False
        super().__init__(routes, **settings)

    def log_request(self, handler: RequestHandler) -> None:
        """One line a request: the path without its query, so that no token or signature is ever written."""
        request = handler.request
        seconds = request.request_time()
        status = handler.get_status()
        route = type(handler).__name__
        method = request.method if request.method in handler.SUPPORTED_METHODS else "other"
        self.services.metrics.answered(method or "other", route, status, seconds)
        access_log.info(
            "request",
            method=request.method,
            path=quote(request.path),
            status=status,
            seconds=round(seconds, 4),
            request_id=getattr(handler, "request_id", None),
            user=getattr(handler, "user_id", None),
            peer=request.remote_ip,
        )


class BaseHandler(RequestHandler):
    """Deny by default: a handler says in `access` which roles may use it, or that it is `public`."""

    application: Application
    access: ClassVar[Collection[Role]] = frozenset()
    public: ClassVar[bool] = False
    serves_to_the_end: ClassVar[bool] = False
    """Also while the server stops and only lets the uploads in flight finish."""
    documented: ClassVar[Documented | None] = None
    """What openapi.json says of it; a test fails for a route whose handler has none."""
    _principal: Principal | None = None

    def __init__(self, application: Application, request: HTTPServerRequest, **kwargs: Any) -> None:
        given = request.headers.get("X-Request-Id", "")
        self.request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        super().__init__(application, request, **kwargs)

    def bind_log(self) -> None:
        """Have the request id on every line logged on behalf of this request, however deep."""
        bind_contextvars(request_id=self.request_id)

    @property
    def services(self) -> Services:
        return self.application.services

    @property
    def principal(self) -> Principal:
        """Who is asking; only where `access` let someone in."""
        if self._principal is None:
            raise Forbidden
        return self._principal

    @property
    def user_id(self) -> str | None:
        return self._principal.person.id if self._principal else None

    @property
    def representations(self) -> Representations:
        return Representations(self.services.links, self.services.clock(), self.services.rubrics)

    def set_default_headers(self) -> None:
        """On every answer, errors included: Tornado calls this again when it starts an error answer."""
        self.clear_header("Server")
        self.set_header("X-Request-Id", self.request_id)
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Vary", "Origin")
        origin = self.request.headers.get("Origin")
        if origin is not None and origin in self.services.allowed_origins:
            self.set_header("Access-Control-Allow-Origin", origin)
            self.set_header("Access-Control-Expose-Headers", _EXPOSED)

    def compute_etag(self) -> None:
        """Answers change with time and reader: only media, which sets its own, has an ETag."""

    async def authorise(self) -> None:
        """Find out who is asking and whether they may; raises Unauthenticated or Forbidden."""
        if self.public:
            return
        self._principal = await self.services.auth.from_header(self.request.headers.get("Authorization"))
        if self._principal.role not in self.access:
            raise Forbidden

    def check_method(self) -> None:
        """Raise MethodNotAllowed before anything else is looked at."""
        if self.request.method not in self._allowed_methods():
            raise MethodNotAllowed

    def _allowed_methods(self) -> list[str]:
        return [*(name for name in _METHODS if self._implements(name)), "OPTIONS"]

    def _implements(self, method: str) -> bool:
        name = "get" if method == "HEAD" else method.lower()
        return getattr(type(self), name) is not getattr(RequestHandler, name)

    def head(self, *args: str) -> Any:
        """Wherever there is GET (RFC 9110, 9.3.2); Tornado leaves the body out."""
        return self.get(*args)

    def options(self, *_: str) -> None:
        """A CORS preflight; the allowed origin itself is among the default headers."""
        for name, value in _CORS_HEADERS.items():
            self.set_header(name, value)
        self.set_status(204)

    def write_json(self, content: Mapping[str, Any], status: int = 200) -> None:
        self.set_status(status)
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.set_header("Cache-Control", "no-store")  # personal, and its links open files
        body = orjson.dumps(content)
        self.set_header("Content-Length", str(len(body)))  # also of an answer that is flushed before its end
        self.write(body)

    def write_service_error(self, error: ServiceError) -> None:
        """Answer with `error` as the JSON of design section 3, *Errors*."""
        answer = answer_to(error)
        body = answer.body | {"request_id": self.request_id}
        if isinstance(error, Conflict):
            representations, principal = self.representations, self._principal
            if principal is not None and principal.is_reviewer:
                body["current"] = representations.in_detail(error.current, principal)
            else:
                body["current"] = representations.for_student(error.current)
        for name, value in answer.headers.items():
            self.set_header(name, value)
        if isinstance(error, MethodNotAllowed):
            self.set_header("Allow", ", ".join(self._allowed_methods()))
        self.write_json(body, answer.status)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Tornado's hook for whatever was raised."""
        self.write_service_error(as_service_error(kwargs.get("exc_info", (None, None, None))[1]))
        self.finish()

    def log_exception(self, typ: Any, value: BaseException | None, tb: Any) -> None:
        """Only what nobody foresaw is an error of ours; refusals are in the access log."""
        if is_unforeseen(value):
            log.error("unexpected error", exc_info=(typ, value, tb), request_id=self.request_id)
