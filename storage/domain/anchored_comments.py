"""Comments on a place in an answer: a moment of a recording, or a box on a photo. Pure."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from storage.domain.errors import InvalidRequest

MAX_COMMENTS = 50
MAX_TEXT_CHARS = 1000
"""With MAX_COMMENTS 50,000 characters: the result goes to sockets, which may have 1 MiB waiting."""
MAX_SECONDS = 86_400.0
"""Nobody records for a day. How long the recording is need not be known yet."""
_ROUNDING = 1e-9
"""By so much may x + width exceed 1, where a client computed both from pixels."""


@dataclass(frozen=True, slots=True)
class Box:
    """A part of a photo as it is seen, from the left and from the top, in fractions of its width and height."""

    x: float
    y: float
    width: float
    height: float

    @property
    def is_inside(self) -> bool:
        sides = (self.x, self.y, self.width, self.height)
        return (
            all(math.isfinite(side) and 0 <= side <= 1 for side in sides)
            and self.width > 0
            and self.height > 0
            and self.x + self.width <= 1 + _ROUNDING
            and self.y + self.height <= 1 + _ROUNDING
        )


@dataclass(frozen=True, slots=True)
class AnchoredComment:
    """`text` on a moment of the recording of question number `question`, or on `box` of photo `image_id`."""

    text: str
    question: int | None = None
    at_seconds: float | None = None
    image_id: int | None = None
    box: Box | None = None

    @property
    def is_on_recording(self) -> bool:
        return self.question is not None or self.at_seconds is not None


def read_comments(
    comments: Sequence[AnchoredComment], recordings: Collection[int], photos: Collection[int]
) -> tuple[AnchoredComment, ...]:
    """`comments`, each on one of the submission's `recordings` (question numbers) or `photos` (ids).

    Raises InvalidRequest naming each wrong field.
    """
    if len(comments) > MAX_COMMENTS:
        raise InvalidRequest(
            details={"comments": [f"Ensure there are no more than {MAX_COMMENTS} comments."]}
        )
    problems = {
        f"comments.{place}.{field}" if field else f"comments.{place}": [sentence]
        for place, comment in enumerate(comments)
        for field, sentence in (*_text_problem(comment), *_anchor_problems(comment, recordings, photos))
    }
    if problems:
        raise InvalidRequest(details=problems)
    return tuple(comments)


def _text_problem(comment: AnchoredComment) -> Iterator[tuple[str, str]]:
    if not comment.text.strip():
        yield "text", "This field may not be blank."
    elif len(comment.text) > MAX_TEXT_CHARS:
        yield "text", f"Ensure this field has no more than {MAX_TEXT_CHARS} characters."


def _anchor_problems(
    comment: AnchoredComment, recordings: Collection[int], photos: Collection[int]
) -> Iterator[tuple[str, str]]:
    on_photo = comment.image_id is not None or comment.box is not None
    if comment.is_on_recording == on_photo:
        yield "", "Either question and at_seconds, or image_id and box, are needed."
    elif on_photo:
        if comment.image_id is None:
            yield "image_id", "This field is required."
        elif comment.image_id not in photos:
            yield "image_id", "The submission has no such photo."
        if comment.box is None:
            yield "box", "This field is required."
        elif not comment.box.is_inside:
            yield "box", "Ensure it lies inside the photo: fractions from 0 to 1, not empty."
    else:
        if comment.question is None:
            yield "question", "This field is required."
        elif comment.question not in recordings:
            yield "question", "The submission has no recording with this question_number."
        if comment.at_seconds is None:
            yield "at_seconds", "This field is required."
        elif not 0 <= comment.at_seconds <= MAX_SECONDS:
            yield "at_seconds", f"Ensure this value is between 0 and {MAX_SECONDS:g}."
