"""Who acts: users as their tokens name them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Role(StrEnum):
    """What a token's `role` claim may say; an admin may do all a reviewer may."""

    STUDENT = "student"
    REVIEWER = "reviewer"
    ADMIN = "admin"


STUDENTS = frozenset({Role.STUDENT})
REVIEWERS = frozenset({Role.REVIEWER, Role.ADMIN})
ADMINS = frozenset({Role.ADMIN})
EVERYONE = frozenset(Role)


@dataclass(frozen=True, slots=True)
class Person:
    """A user as documents remember them: `id` is the token's `user_id` as text, `name` may be unknown."""

    id: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Principal:
    """The holder of a verified token, until `expires_at`."""

    person: Person
    role: Role
    expires_at: datetime

    @property
    def is_reviewer(self) -> bool:
        return self.role in REVIEWERS
