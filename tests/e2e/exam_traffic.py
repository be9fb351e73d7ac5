"""Students who hand in and reviewers who claim, release, grade and reopen, on a server that is killed now and then.

Each knows the outcome of what it did before it does the next thing: where there was no answer it looks.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from tests.e2e.patient_http import RETRY_SECONDS, Headers, PatientHttp
from tests.forms import Part, content_type, encode, file, text
from tests.handlers.uploads import page, sound
from tests.people import SPEAKING, WRITING

Json = dict[str, Any]

UPLOADS = 0.17
"""The share of what is done, until there are enough submissions."""
REPEATS = 0.05
"""How many uploads are sent again under another key: the first 201 again, and no publication."""
_WORKERS = 8
_TEXTS = [
    "",
    "Good structure.",
    "Yaxshi, lekin 2-topshiriqda xatolar bor – qayta ko‘ring.",
    "🙂\u2028next line",
]


@dataclass(frozen=True, slots=True)
class Person:
    user: str
    headers: Headers


@dataclass(frozen=True, slots=True)
class Cast:
    students: Sequence[Person]
    reviewers: Sequence[Person]
    admin: Person


class ExamTraffic:
    """`changes` counts the state changes so far, or nearly so: the oplog knows better.

    Goes on until there were `least_changes` and it is `end` on the monotonic clock. `most_submissions`: so many
    that every queue fits into one snapshot.
    """

    def __init__(
        self,
        http: PatientHttp,
        cast: Cast,
        dice: random.Random,
        *,
        least_changes: int,
        end: float,
        most_submissions: int,
    ) -> None:
        self.changes = 0
        self.tally: Counter[str] = Counter()
        self._http = http
        self._cast = cast
        self._dice = dice
        self._least_changes = least_changes
        self._end = end
        self._most_submissions = most_submissions
        self._uploads = 0
        self._known: dict[int, Json] = {}
        """Every submission as a reviewer saw it last, by its review's id."""
        self._news = asyncio.Condition()

    @property
    def is_over(self) -> bool:
        return self.changes >= self._least_changes and time.monotonic() >= self._end

    async def go_on(self) -> None:
        await asyncio.gather(*(self._work() for _ in range(_WORKERS)))

    async def goes_on_for(self, changes: int) -> bool:
        """Wait for so many more; False if it is over before."""
        until = self.changes + changes
        async with self._news:
            await self._news.wait_for(lambda: self.changes >= until or self.is_over)
        return not self.is_over

    async def _work(self) -> None:
        while not self.is_over:
            wants_more = self._uploads < self._most_submissions
            if not self._known or (wants_more and self._dice.random() < UPLOADS):
                await self._upload()
            else:
                await self._review(self._dice.choice(list(self._known.values())))
        await self._changed(0)

    async def _upload(self) -> None:
        self._uploads += 1
        number, student = self._uploads, self._dice.choice(self._cast.students)
        path, form = _form(number, self._dice.random() < 0.5)
        again = self._dice.random() < REPEATS
        for key in [f"first-{number}", f"second-{number}"][: 1 + again]:
            answer = await self._send(path, form, student, key, number)
        await self._look(answer.json()["manual_review_id"])

    async def _send(
        self, path: str, form: list[Part], student: Person, key: str, number: int
    ) -> httpx.Response:
        """Until there is the 201; under the same key it does no harm to send again."""
        headers = {
            "Content-Type": content_type(),
            "Idempotency-Key": key,
            "X-Upload-Id": f"upload-{number:06}",
        }
        while True:
            answer = await self._http.insist("POST", path, student.headers | headers, content=encode(form))
            if answer.status_code != 409:
                assert answer.status_code == 201, answer.text
                return answer
            # The attempt whose answer was lost still comes in.
            assert answer.json()["code"] == "in_progress", answer.text
            await asyncio.sleep(RETRY_SECONDS)

    async def _review(self, known: Json) -> None:
        """Do one of the things that can be done to a submission as it was seen last."""
        if known["status"] == "checked":
            if self._dice.random() < 0.5:
                await self._do("reopen", known, self._cast.admin)
            else:
                await asyncio.sleep(0)
            return
        someone, holder = self._dice.choice(self._cast.reviewers), _holder(known)
        if holder is None:
            await self._do(self._dice.choices(["claim", "grade"], [0.7, 0.3])[0], known, someone)
        elif self._dice.random() < 0.1:
            await self._do("claim", known, someone)  # renewed, or refused
        else:
            holding = next(person for person in self._cast.reviewers if person.user == holder)
            await self._do(self._dice.choice(["release", "grade"]), known, holding)

    async def _do(self, what: str, known: Json, who: Person) -> None:
        review = known["manual_review_id"]
        path = f"/multilevel/manual-reviews/{review}/"
        match what:
            case "claim":
                answer = await self._http.ask("POST", f"{path}claim/", who.headers)
            case "release":
                answer = await self._http.ask("DELETE", f"{path}claim/", who.headers)
            case "grade":
                answer = await self._http.ask("PUT", path, who.headers, json=self._grade(known))
            case _:
                answer = await self._http.ask("POST", f"{path}reopen/", who.headers)
        if answer is None:
            self.tally["unknown outcomes"] += 1
            await self._look(review)
        elif answer.status_code == 409:
            self.tally["conflicts"] += 1
            await self._see(answer.json()["current"], 0)
        elif answer.status_code == 204:
            self.tally[what] += 1
            await self._see(known | {"claim": None}, 1)
        else:
            assert answer.status_code == 200, answer.text
            self.tally[what] += 1
            await self._see(answer.json(), 1)

    def _grade(self, known: Json) -> Json:
        comment, quarters = self._dice.choice(_TEXTS), self._dice.randint
        if known["section_type"] == "speaking":
            score, feedback = {"total_score": quarters(0, 300) / 4}, {"comment": comment}
        else:
            score = {"task1_score": quarters(0, 99) / 4, "task2_score": quarters(0, 201) / 4}
            feedback = {"task1_comment": comment, "task2_comment": "Excellent essay."}
        return {"revision": known["revision"], "score": score, "feedback": feedback}

    async def _look(self, review: int) -> None:
        present = await self._http.read(f"/multilevel/manual-reviews/{review}/", self._cast.admin.headers)
        await self._see(present, 1)

    async def _see(self, present: Json, changes: int) -> None:
        review, before = present["manual_review_id"], self._known.get(present["manual_review_id"])
        if before is not None and before["revision"] > present["revision"]:
            return  # another was quicker, and saw what came after this
        same = before is not None and _state(before) == _state(present)
        self._known[review] = present
        await self._changed(0 if same else changes)

    async def _changed(self, changes: int) -> None:
        self.changes += changes
        async with self._news:
            self._news.notify_all()


def _form(number: int, writing: bool) -> tuple[str, list[Part]]:
    """Tiny ones: here it is about what happens to them afterwards."""
    fields = [
        text("user_test_id", number),
        text("exam_id", 456),
        text("section_type", "writing" if writing else "speaking"),
    ]
    if writing:
        return WRITING, [*fields, file("task1_image1", page(0)), file("task2_image1", page(1))]
    return SPEAKING, [*fields, file("part1_audio", sound(0), "recording.wav")]


def _holder(submission: Json) -> str | None:
    claim = submission["claim"]
    return None if claim is None else str(claim["reviewer"]["id"])


def _state(submission: Json) -> tuple[int, str | None]:
    return submission["revision"], _holder(submission)
