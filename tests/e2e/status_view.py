"""What one client is told of one channel, what its application makes of it, and what it should not have been told.

An application as the README has it in mind: a snapshot replaces all it knew, a publication replaces one submission
unless that is known in a later revision, and what comes twice does no harm.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]

_IDS = {"id", "test_result_id", "manual_review_id", "user_test_id", "exam_id"}
_GRADE = {"reviewed_at", "score", "feedback", "criteria", "comments", "reviewer"}
_CONTENTS = {"section_type", "submitted_at", "questions", "is_examined", "warnings"}
SHOWN_TO_STUDENTS = _IDS | _GRADE | _CONTENTS | {"revision", "status"}
SHOWN_TO_REVIEWERS = SHOWN_TO_STUDENTS | {"student", "claim", "awaits_decision"}
HEARD_BY_STUDENTS = frozenset({"submission.created", "submission.checked", "submission.reopened"})
HEARD_BY_REVIEWERS = HEARD_BY_STUDENTS | {"submission.claimed", "submission.released"}
_PROGRESS = {"type", "upload_id", "received_bytes", "total_bytes", "files"}
_SUBSCRIBED = {"recoverable", "positioned", "offset", "epoch", "recovered", "was_recovering"}
_QUEUE = "queue:"


@dataclass(slots=True)
class Stay:
    """One subscription of one connection: where it began, and the publications since.

    `snapshot` has the revision of each submission it began with, None where the server said `recovered`.
    """

    since: int
    snapshot: dict[int, int] | None
    heard: list[Json] = field(default_factory=list)
    began_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def position(self) -> int:
        return int(self.heard[-1]["offset"]) if self.heard else self.since


class ChannelView:
    """A channel as one client sees it. Whatever is not as documented is noted in `complaints`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.submissions: dict[int, Json] = {}
        self.stays: list[Stay] = []
        self.complaints: list[str] = []
        self.progress = 0
        """How often it was told of the progress of an upload."""
        self._epoch = ""
        self._is_subscribed = False
        queue = name.startswith(_QUEUE)
        self.section = name.removeprefix(_QUEUE) if queue else None
        self._shown = SHOWN_TO_REVIEWERS if queue else SHOWN_TO_STUDENTS
        self._types = HEARD_BY_REVIEWERS if queue else HEARD_BY_STUDENTS
        self._snapshot_keys = {"submissions", "as_of", *({"counts"} if queue else ())}

    @property
    def position(self) -> int:
        """The offset up to which this client knows the channel; 0 before it was ever subscribed."""
        return self.stays[-1].position if self.stays else 0

    def recovery(self) -> Json:
        """What a subscribe or connect command says about where this client was."""
        return {"recover": True, "epoch": self._epoch, "offset": self.position} if self._epoch else {}

    def ended(self) -> None:
        """The connection is over."""
        self._is_subscribed = False

    def forget(self) -> None:
        """The page is loaded anew."""
        self._epoch = ""
        self.submissions = {}

    def began(self, subscribed: Json) -> None:
        """Take the reply to a subscribe command, or the channel's part in that to a connect command."""
        self._expect(not self._is_subscribed, "subscribed twice", subscribed.keys())
        self._is_subscribed = True
        asked, recovered, data = bool(self._epoch), subscribed.get("recovered"), subscribed.get("data")
        publications = subscribed.get("publications", [])
        self._expect(
            subscribed.keys() - {"data", "publications"} == _SUBSCRIBED, "odd reply", subscribed.keys()
        )
        self._expect(subscribed["was_recovering"] is asked, "was_recovering is wrong", asked)
        if recovered:
            self._expect(asked and data is None, "recovered though that was not asked for", subscribed)
            self._expect(subscribed["epoch"] == self._epoch, "recovered in another epoch", self._epoch)
            self.stays.append(Stay(self.position, None))
            for publication in publications:
                self.published(publication)
            if publications:
                self._expect(self.position == subscribed["offset"], "recovered to elsewhere", self.position)
        elif data is None:
            self._expect(False, "neither recovered nor a snapshot", subscribed)
        else:
            self._expect(not publications, "publications beside a snapshot", len(publications))
            self._take_snapshot(subscribed["offset"], data)
        self._epoch = subscribed["epoch"]

    def published(self, publication: Json) -> None:
        """Take one publication, pushed or recovered."""
        data = publication["data"]
        if data.get("type") == "upload.progress":
            fits = data.keys() == _PROGRESS and "offset" not in publication and self.section is None
            self._expect(fits, "odd progress", publication)
            self.progress += 1
            return
        fits = publication.keys() == {"data", "offset"} and data.keys() == {"type", "submission"}
        if not self._expect(fits and data["type"] in self._types, "odd publication", publication):
            return
        if not self._expect(self._is_subscribed, "a publication before the subscription", publication):
            return
        went_on = publication["offset"] > self.position
        self._expect(went_on, f"offset went back from {self.position}", publication["offset"])
        submission = data["submission"]
        self._check([submission])
        self.stays[-1].heard.append(publication)
        known = self.submissions.get(submission["id"])
        if known is None or submission["revision"] >= known["revision"]:
            self.submissions[submission["id"]] = submission

    def _take_snapshot(self, offset: int, data: Json) -> None:
        self._expect(data.keys() == self._snapshot_keys, "odd snapshot", data.keys())
        self._expect(data["as_of"] == offset, "as_of is not the offset", (data["as_of"], offset))
        submissions: list[Json] = data["submissions"]
        self._check(submissions)
        if self.section is not None:
            pending = all(submission["status"] == "pending" for submission in submissions)
            self._expect(pending, "a checked submission in the queue's snapshot", offset)
        self.submissions = {submission["id"]: submission for submission in submissions}
        self._expect(len(self.submissions) == len(submissions), "a submission twice in a snapshot", offset)
        self.stays.append(
            Stay(offset, {submission["id"]: submission["revision"] for submission in submissions})
        )

    def _check(self, submissions: Iterable[Json]) -> None:
        for submission in submissions:
            self._expect(submission.keys() == self._shown, "a submission shown wrongly", submission.keys())
            section = submission["section_type"]
            self._expect(self.section in {None, section}, "a submission of another section", submission["id"])

    def _expect(self, fits: bool, what: str, found: object) -> bool:
        if not fits:
            self.complaints.append(f"{what}: {found}")
        return fits
