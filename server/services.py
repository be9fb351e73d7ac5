"""The one place that builds the collaborators from the settings."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass

from handlers.auth import Authenticator, TokenKeys
from handlers.base import BodyLimits, Services
from handlers.jwks import PublishedKeys
from handlers.keys_in_progress import KeysInProgress
from handlers.metrics import Metrics
from handlers.protocol.media_link import MediaLinks
from handlers.protocol.multipart_stream import StreamLimits
from handlers.protocol.pace import PaceLimits
from handlers.protocol.slots import LocalSlots, Slots
from handlers.protocol.socket_deadlines import DeadlineLimits
from handlers.protocol.upload_form import FormLimits
from handlers.protocol.upload_quota import QuotaLimits, UploadQuota
from handlers.status_hub import HubLimits, StatusHub
from handlers.status_snapshots import StatusSnapshots
from handlers.status_socket import StatusLimits
from server.settings import HOME, Settings
from storage.broadcast import Broadcast
from storage.catalogue import Catalogue
from storage.change_feed import ChangeFeed, Listeners
from storage.database import Database
from storage.domain import clock
from storage.domain.double_marking import SecondMarks
from storage.domain.examination import WarningRules
from storage.draft_file import FileSettings
from storage.examining_process import ExaminingProcess, ProcessLimits
from storage.leases import Leases
from storage.media_examiner import ExaminerSettings, MediaExaminer
from storage.media_type import MediaTypeDetector
from storage.media_vault import MediaVault, VaultSettings
from storage.review_desk import ReviewDesk, ReviewRules
from storage.review_export import ReviewExport
from storage.review_figures import ReviewFigures
from storage.submission_store import SubmissionStore
from storage.upload_intake import IntakeRules, UploadIntake


@dataclass(frozen=True)
class Built:
    """What handlers get, and what only the lifecycle drives."""

    services: Services
    feed: ChangeFeed
    broadcast: Broadcast
    status_limits: StatusLimits
    catalogue: Catalogue
    examiner: MediaExaminer


@dataclass(frozen=True, slots=True)
class Shared:
    """What a process has in common with the others that serve the same port."""

    processes: int
    sockets: Slots
    """By user."""
    uploads: Slots
    """By user."""
    metrics: Metrics

    def split(self, total: int) -> int:
        """This process's even part of what all may have together: to count it together would cost every chunk of
        every upload."""
        return max(1, total // self.processes)


def build(settings: Settings, mongo_uri: str, secret: str, shared: Shared | None = None) -> Built:
    """`mongo_uri` and `secret` are what `embedded` and an empty `auth.secret` turned out to be; `shared` None: this
    process serves alone."""
    limits, status = settings.limits, settings.status
    shared = shared or _alone(settings)
    secrets = tuple(filter(None, (secret, settings.auth.previous_secret.get_secret_value())))
    database = connect(settings, mongo_uri)
    submissions = SubmissionStore(database)
    vault = build_vault(settings)
    catalogue = Catalogue(database, enforced=settings.catalogue.enforce)
    links = MediaLinks([_media_key(each) for each in secrets], settings.media.url_ttl_seconds)
    rules = _review_rules(settings)
    metrics = shared.metrics
    broadcast = Broadcast(database, clock.now)
    hub = StatusHub(
        links,
        metrics,
        clock.now,
        broadcast,
        HubLimits(shared.split(status.sockets), shared.sockets, status.ring_seconds),
    )
    examiner = MediaExaminer(
        vault, submissions, Leases(database, clock.now), _examining_process(), _examiner_settings(settings)
    )
    services = Services(
        auth=build_authenticator(settings, secret),
        intake=UploadIntake(vault, submissions, catalogue, _intake_rules(settings), clock.now),
        quota=UploadQuota(
            QuotaLimits(shared.split(limits.uploads), shared.split(limits.draft_bytes)), shared.uploads
        ),
        keys_in_progress=KeysInProgress(),
        desk=ReviewDesk(submissions, settings.reviews.lease_seconds, clock.now, rules),
        figures=ReviewFigures(database, settings.reviews.time_zone, clock.now),
        export=ReviewExport(database),
        time_zone=settings.reviews.time_zone,
        submissions=submissions,
        rubrics=rules.rubrics,
        vault=vault,
        database=database,
        hub=hub,
        snapshots=StatusSnapshots(submissions),
        links=links,
        metrics=metrics,
        clock=clock.now,
        form_limits=FormLimits(
            image_bytes=limits.image_bytes,
            audio_bytes=limits.audio_bytes,
            images_per_task=limits.images_per_task,
            answers=limits.answers,
            fields=limits.fields,
            field_bytes=limits.field_bytes,
        ),
        stream_limits=StreamLimits(
            parts=limits.fields + max(2 * limits.images_per_task, limits.answers),
            headers=limits.part_headers,
            header_bytes=limits.part_header_bytes,
            boundary_chars=limits.boundary_chars,
        ),
        body_limits=BodyLimits(
            request_bytes=limits.request_bytes,
            json_bytes=limits.json_bytes,
            pace=PaceLimits(limits.idle_seconds, limits.min_bytes_per_second, limits.request_seconds),
            drain_bytes=limits.drain_bytes,
            drain_seconds=limits.drain_seconds,
            linger_seconds=limits.linger_seconds,
        ),
        allowed_origins=frozenset(settings.cors.allowed_origins),
        dev_login=settings.dev_login,
    )
    status_limits = StatusLimits(
        deadlines=DeadlineLimits(status.connect_seconds, status.ping_seconds, status.pong_seconds),
        outgoing_bytes=status.outgoing_bytes,
        commands_per_second=status.commands_per_second,
    )
    return Built(
        services,
        ChangeFeed(database, submissions, Listeners((hub, examiner)), status.ring_seconds),
        broadcast,
        status_limits,
        catalogue,
        examiner,
    )


def connect(settings: Settings, mongo_uri: str) -> Database:
    return Database(mongo_uri, settings.mongo.database, timeout_seconds=settings.mongo.timeout_seconds)


def build_vault(settings: Settings) -> MediaVault:
    media = settings.media
    files = FileSettings(fsync=media.fsync, hashing=media.hashing)
    return MediaVault(VaultSettings(media.root, media.reserve_bytes, files), MediaTypeDetector())


def _alone(settings: Settings) -> Shared:
    return Shared(
        processes=1,
        sockets=LocalSlots(settings.status.sockets_per_user),
        uploads=LocalSlots(settings.limits.uploads_per_user),
        metrics=Metrics(),
    )


def _examining_process() -> ExaminingProcess:
    return ExaminingProcess((sys.executable, "-m", "server.examining"), HOME)


def _examiner_settings(settings: Settings) -> ExaminerSettings:
    given = settings.examination
    return ExaminerSettings(
        given.at_once,
        given.scan_seconds,
        ProcessLimits(given.seconds, given.memory_bytes),
        WarningRules(
            tiny_pixels=given.tiny_pixels,
            photo_pixels=given.photo_pixels,
            blank_contrast=given.blank_contrast,
            short_seconds=given.short_seconds,
            long_seconds=given.long_seconds,
            silence_dbfs=given.silence_dbfs,
            voice_seconds=given.voice_seconds,
        ),
    )


def _intake_rules(settings: Settings) -> IntakeRules:
    return IntakeRules(settings.submissions.resubmission, settings.mongo.wait_seconds)


def _review_rules(settings: Settings) -> ReviewRules:
    reviews = settings.reviews
    marks = SecondMarks(reviews.second_mark_percent, reviews.second_mark_threshold)
    return ReviewRules(reviews.rubrics.rubrics, marks)


def build_authenticator(settings: Settings, secret: str) -> Authenticator:
    auth = settings.auth
    return Authenticator(
        TokenKeys(
            secrets=tuple(filter(None, (secret, auth.previous_secret.get_secret_value()))),
            public_key=auth.public_key.get_secret_value() or None,
            published=PublishedKeys(auth.jwks_url) if auth.jwks_url else None,
        )
    )


def _media_key(secret: str) -> bytes:
    """A key of its own, so that a media link can never pass for a token's signature."""
    return hashlib.sha256(b"media links:" + secret.encode()).digest()
