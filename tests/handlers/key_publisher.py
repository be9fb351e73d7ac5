"""Another service that signs tokens and publishes its public keys, on a port of its own (RFC 7517)."""

from __future__ import annotations

import asyncio
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application, RequestHandler

from tests.handlers.tokens import PrivateKey


class KeyPublisher:
    """Publishes `keys` by their key id (None: without one), once `answering` is set and with `status`.

    `asked` counts the requests for them.
    """

    def __init__(self) -> None:
        self.keys: dict[str | None, PrivateKey] = {}
        self.status = 200
        self.asked = 0
        self.answering = asyncio.Event()
        self.answering.set()
        port_socket, port = bind_unused_port()
        self.url = f"http://127.0.0.1:{port}/.well-known/jwks.json"
        self.server = HTTPServer(Application([(".*", _KeysHandler, {"publisher": self})]))
        self.server.add_socket(port_socket)

    @property
    def key_set(self) -> dict[str, Any]:
        return {"keys": [_published(kid, key) for kid, key in self.keys.items()]}


class _KeysHandler(RequestHandler):
    def initialize(self, publisher: KeyPublisher) -> None:
        self._publisher = publisher

    async def get(self) -> None:
        self._publisher.asked += 1
        await self._publisher.answering.wait()
        self.set_status(self._publisher.status)
        self.write(self._publisher.key_set)

    def _log(self) -> None:
        """Its answers are none of our server's: a 500 here is no error there."""


def _published(kid: str | None, key: PrivateKey) -> dict[str, Any]:
    if isinstance(key, rsa.RSAPrivateKey):
        published = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    else:
        published = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return published | {"use": "sig"} | ({"kid": kid} if kid else {})
