"""What a submission's files are called in a zip that people unpack. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from storage.domain.submission import (
    Answer,
    Section,
    StoredFile,
    Submission,
)


def archive_name(submission: Submission) -> str:
    """The zip's own, without its extension: `writing-123`, by the manual review's id."""
    return f"{submission.section}-{submission.manual_review_id}"


def named_files(submission: Submission) -> Iterator[tuple[str, StoredFile]]:
    """Each file with a name without its extension: `writing-123-task1-2` is the second photo of task 1,
    `speaking-124-3-question103` the third recording, `speaking-125-part2` the second part's."""
    for answer in submission.answers:
        for place, file in enumerate(answer.files, start=1):
            yield f"{archive_name(submission)}-{_place(submission.section, answer, place)}", file


def _place(section: Section, answer: Answer, place: int) -> str:
    if section is Section.WRITING:
        return f"task{answer.number}-{place}"
    if answer.question is None:
        return f"part{answer.number}"
    return f"{answer.number}-question{answer.question}"
