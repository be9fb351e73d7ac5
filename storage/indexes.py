"""The collections' names and indexes: what must be unique, and what the lists sort by."""

from __future__ import annotations

from storage.database import ASCENDING, DESCENDING, Database, IndexModel, unavailable_while_down

SUBMISSIONS = "submissions"
SEQUENCES = "sequences"
EXAMS = "exams"
USER_TESTS = "user_tests"
QUESTIONS = "questions"
META = "meta"
BROADCASTS = "broadcasts"
LEASES = "leases"

SECOND_MARK = "marks.1"
"""It is there only while two marks wait for a decision: those that agree become a grade."""

FIGURES = "figures"
"""The index that the review desk's figures are counted from."""
CHECKED_REVISION = 2
"""The least there is: the submission's own, and its grade's."""

_SILENT_SECONDS = 3600
"""How long after its last word a process's broadcast is kept."""

_OVER_SECONDS = 24 * 3600
"""How long after its end a lease is kept, and with it how often its work was begun."""

SUBMISSION_INDEXES = [
    # Promise 4: one submission per student, section and user test, or per contents where there is no user test.
    IndexModel([("student.id", ASCENDING), ("identity", ASCENDING)], unique=True, name="one_per_identity"),
    # Promise 4: one submission per Idempotency-Key of a student.
    IndexModel(
        [("student.id", ASCENDING), ("receipts.key", ASCENDING)],
        unique=True,
        partialFilterExpression={"receipts.key": {"$exists": True}},
        name="one_per_key",
    ),
    IndexModel([("manual_review_id", ASCENDING)], unique=True, name="by_manual_review"),
    # Who owns a file, and which files a document points at (promise 2).
    IndexModel([("answers.files.path", ASCENDING)], unique=True, sparse=True, name="by_file"),
    # The same of copies made of them.
    IndexModel([("answers.files.examined.copies.path", ASCENDING)], unique=True, sparse=True, name="by_copy"),
    # What was not looked at yet, the newest first; documents from before there were examinations count as such.
    IndexModel([("is_examined", ASCENDING), ("_id", DESCENDING)], name="by_examination"),
    # The student's own list, newest first.
    IndexModel(
        [("student.id", ASCENDING), ("submitted_at", DESCENDING), ("_id", DESCENDING)], name="of_student"
    ),
    # The queue, oldest pending first, of one section or of both.
    IndexModel(
        [("status", ASCENDING), ("section", ASCENDING), ("submitted_at", ASCENDING), ("_id", ASCENDING)],
        name="queue_of_section",
    ),
    IndexModel([("status", ASCENDING), ("submitted_at", ASCENDING), ("_id", ASCENDING)], name="queue"),
    # Leases that ran out, among the few submissions that are claimed.
    IndexModel(
        [("claim.expires_at", ASCENDING)],
        partialFilterExpression={"claim.expires_at": {"$exists": True}},
        name="by_lease",
    ),
    # Checked ones, newest review first.
    IndexModel(
        [
            ("status", ASCENDING),
            ("section", ASCENDING),
            ("grade.checked_at", DESCENDING),
            ("_id", DESCENDING),
        ],
        name="checked_of_section",
    ),
    IndexModel(
        [("status", ASCENDING), ("grade.checked_at", DESCENDING), ("_id", DESCENDING)], name="checked"
    ),
    # The same lists by exam, by who holds a claim, and by who checked. Partial: an upload adds a key to the first
    # alone, and pending ones are few. Whichever section is asked for, see `storage/review_queue.py`.
    IndexModel(
        [
            ("exam_id", ASCENDING),
            ("section", ASCENDING),
            ("submitted_at", ASCENDING),
            ("_id", ASCENDING),
        ],
        partialFilterExpression={"status": "pending"},
        name="queue_of_exam",
    ),
    IndexModel(
        [("claim.reviewer.id", ASCENDING), ("submitted_at", ASCENDING), ("_id", ASCENDING)],
        partialFilterExpression={"claim.expires_at": {"$exists": True}},
        name="claimed_by",
    ),
    # What an admin decides, a few of the pending ones.
    IndexModel(
        [("section", ASCENDING), ("submitted_at", ASCENDING), ("_id", ASCENDING)],
        partialFilterExpression={SECOND_MARK: {"$exists": True}},
        name="awaiting_decision",
    ),
    IndexModel(
        [
            ("exam_id", ASCENDING),
            ("section", ASCENDING),
            ("grade.checked_at", DESCENDING),
            ("_id", DESCENDING),
        ],
        partialFilterExpression={"status": "checked"},
        name="checked_of_exam",
    ),
    IndexModel(
        [
            ("grade.reviewer.id", ASCENDING),
            ("section", ASCENDING),
            ("grade.checked_at", DESCENDING),
            ("_id", DESCENDING),
        ],
        partialFilterExpression={"status": "checked"},
        name="checked_by",
    ),
    IndexModel(
        [
            ("grade.reviewer.id", ASCENDING),
            ("exam_id", ASCENDING),
            ("section", ASCENDING),
            ("grade.checked_at", DESCENDING),
            ("_id", DESCENDING),
        ],
        partialFilterExpression={"status": "checked"},
        name="checked_by_of_exam",
    ),
    # All that the figures count by: they are counted from this index, and no document is read. Uploads pay nothing
    # for it. A checked submission's revision is 2 or more; that it is asked for by name keeps the index from being
    # taken for the lists above, which it would sort in memory.
    IndexModel(
        [
            ("status", ASCENDING),
            ("grade.checked_at", ASCENDING),
            ("section", ASCENDING),
            ("grade.reviewer.id", ASCENDING),
            ("grade.reviewer.name", ASCENDING),
            ("submitted_at", ASCENDING),
            ("revision", ASCENDING),
        ],
        partialFilterExpression={"status": "checked", "revision": {"$gte": CHECKED_REVISION}},
        name=FIGURES,
    ),
]


async def ensure_indexes(database: Database) -> None:
    """Create what is missing; harmless when all is there."""
    await database.ensure_collection_with_images(SUBMISSIONS)
    with unavailable_while_down():
        await database.collection(SUBMISSIONS).create_indexes(SUBMISSION_INDEXES)
        await database.collection(BROADCASTS).create_indexes(
            [IndexModel([("at", ASCENDING)], expireAfterSeconds=_SILENT_SECONDS, name="silent")]
        )
        # Those of submissions that are no more.
        await database.collection(LEASES).create_indexes(
            [IndexModel([("until", ASCENDING)], expireAfterSeconds=_OVER_SECONDS, name="over")]
        )
