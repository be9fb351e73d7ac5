"""Who is asking: verifies bearer tokens as Django SimpleJWT writes them, and mints them (design section 3)."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import jwt

from handlers.jwks import PublishedKeys
from storage.domain.errors import TokenExpired, Unauthenticated
from storage.domain.people import Person, Principal, Role

USER_ID = re.compile(r"[^\s:\x00-\x1f\x7f\ud800-\udfff]{1,128}")
"""Numbers, UUIDs, e-mail addresses, other issuers' names: whatever is safe inside a channel name and a log line."""
_MAX_NAME_CHARS = 200
_MAX_EXPIRY = 253402300799  # 9999-12-31, the last a datetime can hold
_OPTIONS: Any = {
    "require": ["exp"],
    # SimpleJWT's own clock may run ahead of ours: an `iat` in our future is no reason to refuse a student.
    "verify_iat": False,
    "verify_aud": False,
    "verify_sub": False,
    "verify_jti": False,
}
_REMEMBERED_TOKENS, _REMEMBERED_SECONDS = 4096, 60.0
"""Some megabytes at most. A page of results asks for twenty photos with one token, and each check costs a tenth of
a small upload."""
_SYMMETRIC, _ASYMMETRIC = ("HS256",), ("RS256", "ES256")


@dataclass(frozen=True)
class TokenKeys:
    """What tokens may be signed with. `secrets`: HS256, the minting one first. `public_key`: PEM."""

    secrets: Sequence[str]
    public_key: str | None = None
    published: PublishedKeys | None = None


class Authenticator:
    """Turns tokens into principals and, for operators and tests, principals into tokens."""

    def __init__(self, keys: TokenKeys) -> None:
        self._keys = keys
        self._verified: dict[str, tuple[Principal, float]] = {}
        """Tokens that were verified, and until when that holds on the monotonic clock."""

    async def from_header(self, header: str | None) -> Principal:
        """The principal of an `Authorization` header: `Bearer JWT` or `Token JWT`."""
        scheme, _, token = (header or "").strip().partition(" ")
        if scheme.lower() not in {"bearer", "token"} or not token:
            raise Unauthenticated
        return await self.from_token(token.strip())

    async def from_token(self, token: str) -> Principal:
        """Raises TokenExpired for a genuine token that is over, Unauthenticated for every other bad one.

        The algorithm in the token's header only picks which of our keys is tried: an HS256 token is never
        checked against a public key. A token once verified is known again for a minute.
        """
        if (known := self._known(token)) is not None:
            return known
        try:
            header = jwt.get_unverified_header(token)
            principal = _principal(await self._claims(token, header))
        except jwt.ExpiredSignatureError as error:
            raise TokenExpired from error
        except (jwt.PyJWTError, ValueError) as error:
            raise Unauthenticated from error
        if self._keys.published is None:  # those may be withdrawn at any time
            self._remember(token, principal)
        return principal

    def mint(self, person: Person, role: Role, ttl_seconds: int) -> str:
        """An access token in SimpleJWT's shape, signed with the present secret."""
        now = int(time.time())
        is_number = person.id.isdecimal() and str(int(person.id)) == person.id
        user_id = int(person.id) if is_number else person.id
        claims: dict[str, Any] = {
            "token_type": "access",
            "user_id": user_id,
            "role": role.value,
            "iat": now,
            "exp": now + ttl_seconds,
        }
        if person.name:
            claims["name"] = person.name
        return jwt.encode(claims, self._keys.secrets[0], algorithm="HS256")

    def _known(self, token: str) -> Principal | None:
        principal, until = self._verified.get(token, (None, 0.0))
        if principal is None or until < time.monotonic() or principal.expires_at.timestamp() <= time.time():
            return None
        return principal

    def _remember(self, token: str, principal: Principal) -> None:
        if len(self._verified) >= _REMEMBERED_TOKENS:
            self._verified.clear()
        self._verified[token] = (principal, time.monotonic() + _REMEMBERED_SECONDS)

    async def _claims(self, token: str, header: dict[str, Any]) -> dict[str, Any]:
        algorithm = header.get("alg")
        if algorithm in _SYMMETRIC:
            return _decode_with_any(token, self._keys.secrets, _SYMMETRIC)
        if algorithm not in _ASYMMETRIC:
            raise Unauthenticated
        if self._keys.public_key:
            try:
                return _decode_with_any(token, [self._keys.public_key], _ASYMMETRIC)
            except (jwt.InvalidSignatureError, jwt.InvalidKeyError):
                if self._keys.published is None:
                    raise
        if self._keys.published is None:
            raise Unauthenticated
        key = await self._keys.published.find(header.get("kid"))
        return _decode_with_any(token, [key], [algorithm])


def _decode_with_any(token: str, keys: Sequence[Any], algorithms: Sequence[str]) -> dict[str, Any]:
    for place, key in enumerate(keys, start=1):
        try:
            return jwt.decode(token, key, algorithms=list(algorithms), options=_OPTIONS)
        except jwt.InvalidSignatureError:
            if place == len(keys):
                raise
    raise Unauthenticated


def _principal(claims: dict[str, Any]) -> Principal:
    if claims.get("token_type", "access") != "access":
        raise Unauthenticated
    user_id = claims.get("user_id")
    if isinstance(user_id, bool) or not isinstance(user_id, int | str):
        raise Unauthenticated
    if not USER_ID.fullmatch(str(user_id)):
        raise Unauthenticated
    name = claims.get("name")
    return Principal(
        Person(str(user_id), _printable(name)[:_MAX_NAME_CHARS] if isinstance(name, str) and name else None),
        Role(claims.get("role") or Role.STUDENT),
        datetime.fromtimestamp(min(int(claims["exp"]), _MAX_EXPIRY), UTC),
    )


def _printable(name: str) -> str:
    """Without halves of characters, which neither JSON nor BSON can hold."""
    return name.encode("utf-8", "replace").decode()
