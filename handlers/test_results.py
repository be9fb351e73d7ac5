"""What students read: one result, and the list of their own (API document, "Get … Result")."""

from __future__ import annotations

from handlers.protocol.answer_models import Results
from handlers.protocol.list_query import read_list_query
from handlers.protocol.operations import CURSOR, LIMIT, Documented, Json, Operation
from handlers.protocol.submission_models import Submission, SubmissionInQueue
from handlers.small_body import SmallBodyHandler
from storage.domain.errors import Forbidden, NotFound
from storage.domain.people import EVERYONE, STUDENTS


class TestResultHandler(SmallBodyHandler):
    """GET /multilevel/test-result/{id}/: its student and reviewers; another student's is 403 (promise 9)."""

    access = EVERYONE
    documented = Documented(
        "/multilevel/test-result/{test_result_id}/",
        tag="results",
        get=Operation(
            "One result",
            {200: Json(Submission | SubmissionInQueue)},
            description=(
                "Its student's; reviewers see its student and claim too. While it is pending `reviewed_at`, "
                "`score`, `feedback` and `reviewer` are null."
            ),
        ),
    )
    __test__ = False  # for pytest: a handler, not a test

    async def get(self, test_result_id: str) -> None:
        submission = await self.services.submissions.find(int(test_result_id))
        if submission is None:
            raise NotFound
        if self.principal.is_reviewer:
            self.write_json(self.representations.for_reviewer(submission))
            return
        if submission.student.id != self.principal.person.id:
            raise Forbidden
        self.write_json(self.representations.for_student(submission))


class TestResultsHandler(SmallBodyHandler):
    """GET /multilevel/test-results/: the student's own, newest first."""

    access = STUDENTS
    documented = Documented(
        "/multilevel/test-results/",
        tag="results",
        get=Operation(
            "One's own results", {200: Json(Results)}, description="Newest first.", parameters=(CURSOR, LIMIT)
        ),
    )
    __test__ = False

    async def get(self) -> None:
        query = read_list_query(self.query_argument)
        page = await self.services.submissions.of_student(self.principal.person.id, query.after, query.limit)
        self.write_json(self.representations.results(page))
