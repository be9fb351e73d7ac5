"""Requests whose body, if they have one, is small, JSON, and read into memory: everything but uploads."""

from __future__ import annotations

from typing import TypeVar

import orjson
from pydantic import BaseModel, ValidationError

from handlers.request_body import BodyHandler
from storage.domain.errors import InvalidRequest, NotFound, TooLarge

Model = TypeVar("Model", bound=BaseModel)

_SENTENCES = {"missing": "This field is required.", "model_type": "A JSON object is needed."}


class SmallBodyHandler(BodyHandler):
    """Keeps a body of at most `limits.json_bytes`."""

    def initialize(self) -> None:
        super().initialize()
        self._body = bytearray()

    async def admit(self) -> None:
        self.check_declared_length(self.services.body_limits.json_bytes)

    def receive(self, chunk: bytes) -> None:
        limit = self.services.body_limits.json_bytes
        if len(self._body) + len(chunk) > limit:
            raise TooLarge(f"The body is larger than {limit} bytes")
        self._body += chunk

    def query_argument(self, name: str) -> str | None:
        return self.get_query_argument(name, None)

    def optional_json_body(self, model: type[Model]) -> Model:
        """The body as `model`, which has its defaults where there is no body. Raises InvalidRequest."""
        return self.json_body(model) if self._body else model()

    def json_body(self, model: type[Model]) -> Model:
        """The body as `model`; raises InvalidRequest naming each wrong field."""
        try:
            return model.model_validate(orjson.loads(bytes(self._body)))
        except orjson.JSONDecodeError as error:
            raise InvalidRequest("The body is not JSON") from error
        except ValidationError as error:
            details: dict[str, list[str]] = {}
            for problem in error.errors():
                path = ".".join(str(part) for part in problem["loc"]) or "body"
                sentence = _SENTENCES.get(problem["type"], problem["msg"])
                details.setdefault(path, []).append(sentence)
            raise InvalidRequest(details=details) from error


class NotFoundHandler(SmallBodyHandler):
    """Every path nobody serves."""

    public = True

    def check_method(self) -> None:
        """Whatever the method, there is nothing here."""

    async def admit(self) -> None:
        raise NotFound
