"""Who takes part: students, reviewers, and the one reviewer who acts; each with a token of the shared secret."""

from __future__ import annotations

import time

import jwt

from benchmarks.status.dialects import Seat

ACTING_REVIEWER = 900_001
FIRST_STUDENT, FIRST_REVIEWER = 100_001, 500_001
"""Six digits each: a message is as long whoever it is about."""
_TOKEN_SECONDS = 86_400


def token(secret: str, user_id: int, role: str) -> str:
    claims = {
        "token_type": "access",
        "user_id": user_id,
        "role": role,
        "exp": int(time.time()) + _TOKEN_SECONDS,
    }
    return jwt.encode(claims, secret, algorithm="HS256")


def students(secret: str, count: int, first: int = FIRST_STUDENT) -> list[Seat]:
    return [Seat(user_id, token(secret, user_id, "student")) for user_id in range(first, first + count)]


def reviewers(secret: str, count: int) -> list[Seat]:
    ids = range(FIRST_REVIEWER, FIRST_REVIEWER + count)
    return [Seat(user_id, token(secret, user_id, "reviewer"), is_reviewer=True) for user_id in ids]
