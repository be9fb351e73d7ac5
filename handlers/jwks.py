"""Public keys that another service publishes as a JSON Web Key Set (RFC 7517), found by key id."""

from __future__ import annotations

import asyncio
import json
import time

import jwt
import structlog
from tornado.httpclient import AsyncHTTPClient, HTTPClientError

from storage.domain.errors import Unauthenticated, Unavailable

log = structlog.get_logger(__name__)

_KEPT_SECONDS = 300.0
"""A withdrawn key stops counting after at most this long."""
_REFETCH_SECONDS = 10.0
"""Tokens with made-up key ids must not make us call the publisher for each."""
_TIMEOUT_SECONDS = 5.0


class PublishedKeys:
    """The key set at `url`, fetched when first needed and kept for five minutes."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._fetched = self._asked = -_KEPT_SECONDS
        self._lock = asyncio.Lock()

    async def find(self, key_id: str | None) -> jwt.PyJWK:
        """The key named `key_id`; a token without `kid` is served by a set of one key.

        Raises Unauthenticated for an unknown key and Unavailable while the publisher cannot be reached.
        """
        if self._is_fresh and (key := self._pick(key_id)) is not None:
            return key  # nobody with a known key waits for the publisher because of somebody's unknown one
        async with self._lock:
            if not self._is_fresh or self._pick(key_id) is None:
                await self._fetch()
        key = self._pick(key_id)
        if key is None:
            raise Unauthenticated
        return key

    @property
    def _is_fresh(self) -> bool:
        return time.monotonic() - self._fetched <= _KEPT_SECONDS

    def _pick(self, key_id: str | None) -> jwt.PyJWK | None:
        if key_id is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(key_id)

    async def _fetch(self) -> None:
        """Ask the publisher, unless that was just tried."""
        if time.monotonic() - self._asked <= _REFETCH_SECONDS:
            if self._is_fresh:
                return
            raise Unavailable
        self._asked = time.monotonic()
        try:
            response = await AsyncHTTPClient().fetch(
                self._url, request_timeout=_TIMEOUT_SECONDS, connect_timeout=_TIMEOUT_SECONDS
            )
            published = jwt.PyJWKSet.from_dict(json.loads(response.body))
        except (HTTPClientError, OSError, ValueError, AttributeError, jwt.PyJWTError) as error:
            log.error("key set not readable", url=self._url, cause=str(error))
            raise Unavailable from error
        self._keys = {key.key_id: key for key in published.keys}
        self._fetched = time.monotonic()
