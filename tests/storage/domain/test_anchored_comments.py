"""Comments on a place in an answer: only on places there are."""

from __future__ import annotations

import pytest

from storage.domain.anchored_comments import (
    MAX_COMMENTS,
    MAX_TEXT_CHARS,
    AnchoredComment,
    Box,
    read_comments,
)
from storage.domain.errors import InvalidRequest

RECORDINGS, PHOTOS = {1, 2}, {31, 32}
BOX = Box(0.1, 0.2, 0.3, 0.4)
HEARD = AnchoredComment("Wrong tense.", question=2, at_seconds=12.5)
SEEN = AnchoredComment("Illegible.", image_id=31, box=BOX)


def fields_of(*comments: AnchoredComment) -> set[str]:
    with pytest.raises(InvalidRequest) as refused:
        read_comments(comments, RECORDINGS, PHOTOS)
    return set(refused.value.details)


def test_takes_comments_on_what_was_handed_in() -> None:
    assert read_comments((HEARD, SEEN), RECORDINGS, PHOTOS) == (HEARD, SEEN)
    assert read_comments((), (), ()) == ()


@pytest.mark.parametrize(
    ("comment", "field"),
    [
        (AnchoredComment("x", question=3, at_seconds=0.0), "question"),
        (AnchoredComment("x", question=31, at_seconds=0.0), "question"),
        (AnchoredComment("x", at_seconds=0.0), "question"),
        (AnchoredComment("x", question=1), "at_seconds"),
        (AnchoredComment("x", question=1, at_seconds=-0.1), "at_seconds"),
        (AnchoredComment("x", question=1, at_seconds=86_400.5), "at_seconds"),
        (AnchoredComment("x", question=1, at_seconds=float("nan")), "at_seconds"),
        (AnchoredComment("x", image_id=33, box=BOX), "image_id"),
        (AnchoredComment("x", image_id=1, box=BOX), "image_id"),
        (AnchoredComment("x", box=BOX), "image_id"),
        (AnchoredComment("x", image_id=31), "box"),
        (AnchoredComment("", question=1, at_seconds=0.0), "text"),
        (AnchoredComment(" \n", image_id=31, box=BOX), "text"),
        (AnchoredComment("x" * (MAX_TEXT_CHARS + 1), image_id=31, box=BOX), "text"),
    ],
)
def test_refuses_a_comment_on_nothing(comment: AnchoredComment, field: str) -> None:
    assert fields_of(SEEN, comment) == {f"comments.1.{field}"}


@pytest.mark.parametrize(
    "comment", [AnchoredComment("x"), AnchoredComment("x", question=1, at_seconds=0.0, image_id=31, box=BOX)]
)
def test_refuses_a_comment_without_one_place(comment: AnchoredComment) -> None:
    assert fields_of(comment) == {"comments.0"}


@pytest.mark.parametrize(
    "box",
    [(0, 0, 1, 1), (0.25, 0.5, 0.75, 0.5), (0.1, 0.2, 0.9, 0.8), (0.7, 0.7, 0.3, 0.3), (0, 0, 1e-6, 1e-6)],
)
def test_takes_a_box_inside_the_photo(box: tuple[float, float, float, float]) -> None:
    comment = AnchoredComment("x", image_id=31, box=Box(*box))
    assert read_comments((comment,), RECORDINGS, PHOTOS) == (comment,)


@pytest.mark.parametrize(
    "box",
    [
        (-0.01, 0, 0.5, 0.5),
        (0, -0.01, 0.5, 0.5),
        (0.6, 0, 0.5, 0.5),
        (0, 0.6, 0.5, 0.5),
        (0, 0, 0, 0.5),
        (0, 0, 0.5, 0),
        (0.5, 0.5, -0.1, 0.1),
        (100, 200, 300, 400),
        (float("nan"), 0, 0.5, 0.5),
        (0, 0, float("inf"), 0.5),
    ],
)
def test_refuses_a_box_that_leaves_the_photo(box: tuple[float, float, float, float]) -> None:
    assert fields_of(AnchoredComment("x", image_id=31, box=Box(*box))) == {"comments.0.box"}


def test_takes_as_many_as_there_may_be_and_not_one_more() -> None:
    longest = AnchoredComment("ў" * MAX_TEXT_CHARS, image_id=31, box=BOX)
    assert len(read_comments([longest] * MAX_COMMENTS, RECORDINGS, PHOTOS)) == MAX_COMMENTS
    assert fields_of(*[longest] * (MAX_COMMENTS + 1)) == {"comments"}
