"""Tokens that our own server would not mint: other claims, other keys, none at all."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.serving import SECRET

Headers = dict[str, str]
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def bearer(token: str, scheme: str = "Bearer") -> Headers:
    return {"Authorization": f"{scheme} {token}"}


def claims(**changes: Any) -> dict[str, Any]:
    """What Django SimpleJWT writes, changed; a claim changed to None is left out."""
    all_claims = {
        "token_type": "access",
        "user_id": 42,
        "exp": int(time.time()) + 600,
        "jti": "d0c5",
    } | changes
    return {name: value for name, value in all_claims.items() if value is not None}


def signed(
    key: str | PrivateKey = SECRET, algorithm: str = "HS256", kid: str | None = None, **changes: Any
) -> str:
    return jwt.encode(claims(**changes), key, algorithm=algorithm, headers={"kid": kid} if kid else None)


def unsigned() -> str:
    """`alg: none` (RFC 7519, section 6)."""
    return jwt.encode(claims(), "", algorithm="none")


def signed_with_text(key: str) -> str:
    """HS256 with a public key's text as the secret; PyJWT itself refuses to make such a token."""
    head = f"{_encoded({'alg': 'HS256', 'typ': 'JWT'})}.{_encoded(claims())}"
    signature = hmac.new(key.encode(), head.encode(), hashlib.sha256).digest()
    return f"{head}.{_base64(signature)}"


def tampered(token: str) -> str:
    """The same signature under other claims: an admin's."""
    head, _, signature = token.split(".")
    return f"{head}.{_encoded(claims(role='admin'))}.{signature}"


def new_rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def new_ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def signed_by(key: PrivateKey, kid: str | None = None, **changes: Any) -> str:
    """As another service signs: RS256 or ES256, by the kind of its key."""
    return signed(key, "RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256", kid, **changes)


def public_pem(key: PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _encoded(content: dict[str, Any]) -> str:
    return _base64(json.dumps(content).encode())


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")
