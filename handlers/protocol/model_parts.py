"""What the models of answers share: their base, ids, times, people. Pure.

Nothing is validated by these models while serving, `representations.py` writes the answers; the tests hold every
answer they get against the document instead. A field that is always there has no default; one that may be absent
is marked `MAY_BE_ABSENT`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, RootModel

Id = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]


MAY_BE_ABSENT = Field(default_factory=object)
"""A default that no schema says: the field is not required."""


class Moment(
    RootModel[
        Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$")]
    ]
):
    """ISO 8601, UTC, milliseconds."""

    model_config = ConfigDict(json_schema_extra={"examples": ["2025-10-08T12:30:45.123Z"]})


class AnswerModel(BaseModel):
    """What an answer's JSON may hold, and nothing else."""

    model_config = ConfigDict(extra="forbid")


class Student(AnswerModel):
    id: str
    name: str | None


class Reviewer(AnswerModel):
    id: str
    name: str


class Claim(AnswerModel):
    reviewer: Reviewer
    expires_at: Moment
