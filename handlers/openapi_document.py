"""openapi.json: the whole HTTP API in OpenAPI 3.1, made of what the handlers say in `documented`.

See handlers/protocol/operations.py for how an operation is added.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from handlers.base import BaseHandler
from handlers.errors import status_of_class
from handlers.protocol import answer_models
from handlers.protocol.operations import (
    PATH_PARAMETERS,
    Answer,
    Bytes,
    Documented,
    Empty,
    Form,
    Json,
    Operation,
    Parameter,
)
from storage.domain import errors
from storage.domain.errors import ServiceError
from storage.domain.people import ADMINS, EVERYONE, REVIEWERS, STUDENTS

Tree = dict[str, Any]

_DESCRIPTION = """\
Takes Writing photos and Speaking recordings of English exams, and brings the results back. A 201 means that every \
file is on disk and the submission in the journal of a majority of MongoDB.

- Every path works with and without its trailing slash, GET implies HEAD, and OPTIONS answers a CORS preflight of \
any path with 204. A method that is not listed is 405 `method_not_allowed`, a path that is not listed is 404 \
`not_found`.
- Every answer has `X-Request-Id`. Every error is JSON, an `Error`; its `code` is for programs, its sentence may \
be shown.
- A body where none is wanted is read and ignored within the bounds of one that is: 408, 413 and 415 may come \
anywhere.
- The messages of the status socket are in asyncapi.yaml.
"""
_TAGS = {
    "uploads": "Students hand in their answers.",
    "results": "Students see what became of them.",
    "reviews": "Reviewers work through the queue.",
    "media": "Uploaded files.",
    "status": "Live status.",
    "operation": "For operators, and this document.",
}
_SECURITY_SCHEMES: Tree = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": (
            "Claims as Django SimpleJWT writes them (`user_id`, `exp`, `token_type`) and `role`: student (if "
            "absent), reviewer or admin; an admin may do all a reviewer may."
        ),
    },
    "token": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "The same as `Token JWT`.",
    },
}
_HEADERS: Tree = {
    "X-Request-Id": {"description": "In every log line of the request.", "schema": {"type": "string"}},
    "Retry-After": {"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}},
    "WWW-Authenticate": {"schema": {"type": "string", "pattern": "^Bearer "}},
    "Content-Range": {"schema": {"type": "string", "pattern": r"^bytes ([0-9]+-[0-9]+|\*)/[0-9]+$"}},
    "Accept-Ranges": {"schema": {"const": "bytes"}},
    "Cache-Control": {"schema": {"type": "string"}},
    "Content-Disposition": {"schema": {"type": "string", "pattern": '^attachment; filename="[^"]+"$'}},
    "ETag": {"description": "Quoted.", "schema": {"type": "string", "pattern": '^(W/)?"[!-~]+"$'}},
    "Sec-WebSocket-Version": {"schema": {"const": "13"}},
}
"""Those that are described; where an answer lists one it is always there."""
_REFUSAL_HEADERS = {
    401: "WWW-Authenticate",
    416: "Content-Range",
    429: "Retry-After",
    503: "Retry-After",
    507: "Retry-After",
}
_DESCRIPTIONS = {
    101: "The connection is a WebSocket now.",
    200: "OK",
    201: "Kept for good.",
    204: "Done.",
    206: "The part that was asked for.",
    304: "What the client has is what there is.",
    400: "The request is wrong; `details` names the fields.",
    401: "No token, a bad one, or one that is over.",
    403: "Not for this role, or somebody else's.",
    404: "There is no such thing.",
    408: "The sender stopped or was too slow.",
    409: "The state does not allow it.",
    413: "Over a limit.",
    415: "No accepted format, or a compressed body.",
    416: "Outside the file.",
    422: "The key stands for other contents.",
    426: "Another version of the WebSocket protocol.",
    429: "Too much at once; see Retry-After.",
    500: "The server's fault.",
    503: "Not right now; see Retry-After.",
    507: "No room on the disk.",
}
_WHO = {
    STUDENTS: "Students.",
    REVIEWERS: "Reviewers and admins.",
    ADMINS: "Admins.",
    EVERYONE: "Everyone with a token.",
}
_ANYWHERE = (ServiceError, errors.Unavailable)
_WITH_A_BODY = (errors.InvalidRequest, errors.TooSlow, errors.TooLarge, errors.UnsupportedEncoding)
_WITH_A_TOKEN = (errors.Unauthenticated, errors.TokenExpired, errors.Forbidden)
_MODELS: dict[type[ServiceError], Any] = {
    errors.AlreadySubmitted: answer_models.AlreadySubmitted,
    errors.Conflict: answer_models.Conflict,
    ServiceError: answer_models.Error,
}
"""A class stands for all below it that are not listed themselves."""


def build_document(handlers: Iterable[type[BaseHandler]]) -> Tree:
    """The document of all `handlers` that are documented, as JSON-ready dictionaries."""
    return _Builder(list(handlers)).document()


class _Builder:
    def __init__(self, handlers: list[type[BaseHandler]]) -> None:
        self._handlers = [handler for handler in handlers if handler.documented is not None]
        self._responses: Tree = {}
        models = {id(model): (id(model), "validation", TypeAdapter(model)) for model in self._models()}
        refs, definitions = TypeAdapter.json_schemas(
            models.values(),  # type: ignore[arg-type]  # pydantic asks for hashable keys only
            ref_template="#/components/schemas/{model}",
            schema_generator=_Schemas,
        )
        self._refs = {key: schema for (key, _), schema in refs.items()}
        self._schemas: Tree = definitions.get("$defs", {})
        _name_the_codes(self._schemas)

    def document(self) -> Tree:
        paths: Tree = {}
        for handler in self._handlers:
            documented = _of(handler)
            for method, operation in documented.operations():
                paths.setdefault(documented.path, {})[method] = self._operation(
                    handler, documented, method, operation
                )
        return {
            "openapi": "3.1.0",
            "info": {
                "title": "Turantalim Upload Server",
                "version": "1.0",
                "summary": "Uploads of exam answers, their review, and their results.",
                "description": _DESCRIPTION,
                "license": {"name": "MIT", "identifier": "MIT"},
            },
            "servers": [{"url": "/"}],
            "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
            "paths": paths,
            "components": {
                "schemas": dict(sorted(self._schemas.items())),
                "responses": dict(sorted(self._responses.items())),
                "headers": _HEADERS,
                "securitySchemes": _SECURITY_SCHEMES,
            },
        }

    def _models(self) -> Iterator[Any]:
        yield from _MODELS.values()
        for handler in self._handlers:
            for _, operation in _of(handler).operations():
                yield from (each.model for each in operation.answers.values() if isinstance(each, Json))
                if isinstance(operation.body, Json):
                    yield operation.body.model

    def _operation(
        self, handler: type[BaseHandler], documented: Documented, method: str, operation: Operation
    ) -> Tree:
        """One method of one path."""
        names = re.findall(r"\{([a-z_]+)\}", documented.path)
        parameters = [
            *(
                {"name": name, "in": "path", "required": True, "schema": PATH_PARAMETERS[name]}
                for name in names
            ),
            *map(_parameter, operation.parameters),
        ]
        who = _WHO[frozenset(handler.access)] if not handler.public else ""
        body: Tree = {
            "operationId": _operation_id(method, documented.path),
            "tags": [documented.tag],
            "summary": operation.summary,
        }
        if text := " ".join(filter(None, (operation.description, who))):
            body["description"] = text
        if parameters:
            body["parameters"] = parameters
        if operation.body is not None:
            body["requestBody"] = {
                "required": not operation.body_is_optional,
                "content": self._request(operation.body),
            }
        body["responses"] = {
            str(status): answer
            for status, answer in sorted(
                [
                    *((status, self._answer(status, each)) for status, each in operation.answers.items()),
                    *self._refusals(handler, operation, bool(names)),
                ],
                key=lambda pair: pair[0],
            )
        }
        if not handler.public:
            body["security"] = [{"bearer": []}, {"token": []}, *([{}] if operation.link else [])]
        return body

    def _request(self, body: Json | Form) -> Tree:
        if isinstance(body, Form):
            return {"multipart/form-data": {"schema": body.schema, "encoding": body.encoding}}
        return {"application/json": self._json(body)}

    def _json(self, content: Json) -> Tree:
        example = {} if content.example is None else {"example": content.example}
        return {"schema": self._refs[id(content.model)], **example}

    def _answer(self, status: int, answer: Answer) -> Tree:
        body: Tree = {"description": _DESCRIPTIONS[status]}
        body["headers"] = _headers(*answer.headers)
        match answer:
            case Json():
                body["content"] = {"application/json": self._json(answer)}
            case Bytes():
                body["content"] = {each: {"schema": {"type": "string"}} for each in answer.media_types}
            case Empty():
                pass
        return body

    def _refusals(
        self, handler: type[BaseHandler], operation: Operation, has_path_parameters: bool
    ) -> Iterator[tuple[int, Tree]]:
        classes: list[type[ServiceError]] = [*_ANYWHERE, *operation.refusals]
        if operation.body is not None:
            classes += _WITH_A_BODY
        if operation.parameters:
            classes.append(errors.InvalidRequest)
        if not handler.public:
            classes += _WITH_A_TOKEN
        if has_path_parameters:
            classes.append(errors.NotFound)
        by_status: dict[int, list[type[ServiceError]]] = {}
        for each in set(classes):
            by_status.setdefault(status_of_class(each), []).append(each)
        for status, group in by_status.items():
            if status in operation.answers:
                continue
            yield status, self._refusal(status, sorted(group, key=lambda each: each.code))

    def _refusal(self, status: int, classes: list[type[ServiceError]]) -> Tree:
        """A reference to the response that has these errors; several operations share one."""
        name = ".".join([str(status), *(each.code for each in classes)])
        if name not in self._responses:
            codes: dict[int, list[str]] = {}
            for each in classes:
                codes.setdefault(id(_model_of(each)), []).append(each.code)
            shapes = [
                {"allOf": [self._refs[model], {"properties": {"code": {"enum": group}}}]}
                for model, group in codes.items()
            ]
            header = [_REFUSAL_HEADERS[status]] if status in _REFUSAL_HEADERS else []
            self._responses[name] = {
                "description": _DESCRIPTIONS[status],
                "headers": _headers(*header),
                "content": {
                    "application/json": {"schema": shapes[0] if len(shapes) == 1 else {"oneOf": shapes}}
                },
            }
        return {"$ref": f"#/components/responses/{name}"}


class _Schemas(GenerateJsonSchema):
    """Without the titles that repeat names."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def error_codes() -> list[str]:
    """Every `code` that there is."""
    return sorted(each.code for each in _tree(ServiceError))


def _name_the_codes(schemas: Tree) -> None:
    for schema in schemas.values():
        if {"code", "request_id"} <= schema.get("properties", {}).keys():
            schema["properties"]["code"]["enum"] = error_codes()


def _tree(error: type[ServiceError]) -> Iterator[type[ServiceError]]:
    yield error
    for below in error.__subclasses__():
        yield from _tree(below)


def _model_of(error: type[ServiceError]) -> Any:
    return next(_MODELS[cls] for cls in error.__mro__ if cls in _MODELS)


def _of(handler: type[BaseHandler]) -> Documented:
    if handler.documented is None:
        raise ValueError(f"{handler.__name__} is not documented")
    return handler.documented


def _parameter(parameter: Parameter) -> Tree:
    body: Tree = {"name": parameter.name, "in": parameter.place, "schema": parameter.schema}
    return body | ({"description": parameter.description} if parameter.description else {})


def _headers(*names: str) -> Tree:
    references: Mapping[str, Tree] = {
        name: {"$ref": f"#/components/headers/{name}"} for name in ("X-Request-Id", *names)
    }
    return dict(references)


def _operation_id(method: str, path: str) -> str:
    """`get_multilevel_test_results`, for generated clients."""
    return "_".join([method, *re.findall(r"[a-z0-9]+", path)])
