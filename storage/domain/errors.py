"""Every way a request can be refused, as one tree. Pure: no HTTP statuses or close codes here.

Each leaf has a stable machine `code` and a `sentence` that is safe to show; where the API document
("Response Codes", "Possible Errors") has words for it, they are used as they stand.
`handlers/errors.py` alone knows which status or close code a leaf becomes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from storage.domain.submission import Submission

Details = Mapping[str, Sequence[str]]


class ServiceError(Exception):
    """A refusal with words a client may read. `details` maps a field to its sentences."""

    code: ClassVar[str] = "internal"
    sentence: ClassVar[str] = "Server xatosi"

    def __init__(self, sentence: str | None = None, *, details: Details | None = None) -> None:
        self.shown = sentence or self.sentence
        self.details: Details = details or {}
        super().__init__(self.shown)


class Unauthenticated(ServiceError):
    """No token, or one that does not verify."""

    code = "unauthenticated"
    sentence = "Authentication kerak"


class TokenExpired(Unauthenticated):
    """A genuine token whose time is over: the client should refresh it, not sign in anew."""

    code = "token_expired"


class Forbidden(ServiceError):
    """The caller is known and may not do this."""

    code = "forbidden"
    sentence = "Ruxsat yo'q"


class NotFound(ServiceError):
    """No such resource."""

    code = "not_found"
    sentence = "Resurs topilmadi"


class MethodNotAllowed(ServiceError):
    """The resource exists, the method does not."""

    code = "method_not_allowed"
    sentence = "Method not allowed"


class InvalidRequest(ServiceError):
    """The request is understood and wrong; `details` names the fields."""

    code = "invalid"
    sentence = "Request'da xato bor"


class InvalidForm(InvalidRequest):
    """A form with wrong fields, in the words of the API document (Speaking, "Response (Error 400)")."""

    code = "invalid_form"

    def __init__(self, reason: str, *, details: Details | None = None) -> None:
        super().__init__(f"Ma'lumotlar noto'g'ri formatda yuborilgan: {reason}", details=details)


class MissingFields(InvalidRequest):
    """Required fields are absent (API document, Writing, "Response (Error 400)")."""

    code = "missing_fields"
    sentence = "Missing required fields"


class MalformedBody(InvalidForm):
    """The body is not the format its Content-Type promises, or ends too early."""

    code = "malformed_body"


class NotMultipart(InvalidRequest):
    """An upload with another Content-Type (API document, Speaking, "Possible Errors")."""

    code = "not_multipart"
    sentence = "Content-Type multipart/form-data bo'lishi kerak"


class UnknownReference(InvalidRequest):
    """A catalogue id that does not exist (API document: `Question {id} not found`)."""

    code = "unknown_reference"


class TooLarge(ServiceError):
    """A file, a field or the whole request is over its limit."""

    code = "too_large"
    sentence = "Fayl hajmi juda katta"


class UnsupportedMedia(ServiceError):
    """The content of a file is none of the accepted formats, whatever its name or declared type."""

    code = "unsupported_media_type"
    sentence = "Fayl formati qo'llab-quvvatlanmaydi"


class UnsupportedEncoding(ServiceError):
    """A compressed body: it could not be checked while it arrives."""

    code = "unsupported_encoding"
    sentence = "Content-Encoding is not supported; send the body as it is"


class TooSlow(ServiceError):
    """The sender stopped, is slower than `limits.min_bytes_per_second`, or took over `limits.request_seconds`."""

    code = "too_slow"
    sentence = "The upload stopped or was too slow; please send it again"


class TooManyUploads(ServiceError):
    """The user has `limits.uploads_per_user` uploads under way already."""

    code = "too_many_uploads"
    sentence = "Too many uploads at once; please wait until one of them is over"


class KeyReused(ServiceError):
    """An Idempotency-Key that already stands for other contents (design section 3, *Doing it twice*)."""

    code = "key_reused"
    sentence = "This Idempotency-Key was used for other contents"


class InProgress(ServiceError):
    """The first upload under the same Idempotency-Key is still coming in."""

    code = "in_progress"
    sentence = "An upload with this Idempotency-Key is still under way"


class Conflict(ServiceError):
    """The state does not allow it any more; `current` is what it is now."""

    code = "conflict"
    sentence = "The submission has changed"

    def __init__(self, current: Submission) -> None:
        super().__init__()
        self.current = current


class AlreadySubmitted(Conflict):
    """Other contents for a user test and section that already have a submission."""

    code = "already_submitted"
    sentence = "This section of the test was already submitted"


class StaleRevision(Conflict):
    """Graded from an older revision than the present one (promise 5)."""

    code = "stale_revision"
    sentence = "The submission was changed since you loaded it"


class ClaimedByAnother(Conflict):
    """Another reviewer holds the claim."""

    code = "claimed"
    sentence = "Another reviewer holds this submission"


class NotClaimed(Conflict):
    """A draft is saved by whoever holds the claim, and nobody does."""

    code = "not_claimed"
    sentence = "Claim the submission before you save a draft of its grade"


class StaleDraft(Conflict):
    """A draft made from an older one than the present, in another tab say."""

    code = "stale_draft"
    sentence = "The draft was changed since you loaded it"


class AlreadyMarked(Conflict):
    """Double marking: the second mark is another reviewer's to give."""

    code = "already_marked"
    sentence = "You have marked this submission; it waits for another reviewer"


class AwaitsDecision(Conflict):
    """Double marking: two marks lie too far apart."""

    code = "awaits_decision"
    sentence = "Two reviewers do not agree on this submission; an admin decides"


class AlreadyChecked(Conflict):
    """Checked submissions are reopened before they are graded or claimed again."""

    code = "already_checked"
    sentence = "The submission is already checked"


class NotChecked(Conflict):
    """Only a checked submission can be reopened."""

    code = "not_checked"
    sentence = "The submission is not checked yet"


class RangeNotSatisfiable(ServiceError):
    """The requested bytes lie outside the file (RFC 9110, 15.5.17)."""

    code = "range_not_satisfiable"
    sentence = "The requested range is outside the file"

    def __init__(self, size_bytes: int) -> None:
        super().__init__()
        self.size_bytes = size_bytes


class Unavailable(ServiceError):
    """A part we depend on is away for now; the same request may succeed later."""

    code = "unavailable"
    sentence = "The service is not available right now; please try again"


class Busy(Unavailable):
    """`limits.uploads` uploads are under way, or `limits.draft_bytes` of them are on the disk unfinished."""

    code = "busy"


class NotStored(Unavailable):
    """The submission could not be recorded (API document, Speaking, "Possible Errors")."""

    code = "not_stored"
    sentence = "TestResult yaratishda xatolik"


class StorageFull(ServiceError):
    """The disk is full, or below `media.reserve_bytes`."""

    code = "storage_full"
    sentence = "There is no room to store the upload right now"
