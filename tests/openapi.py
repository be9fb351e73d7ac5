"""openapi.json, held against what the server really answers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import httpx
import jsonschema
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from tests.e2e.server_process import HOME

Json = dict[str, Any]

FILE = HOME / "openapi.json"
DOCUMENT: Json = json.loads(FILE.read_text())
METHODS = ("get", "post", "put", "patch", "delete")
_PATTERNS = {
    "section": "writing|speaking",
    "test_result_id": "[0-9]{1,15}",
    "manual_review_id": "[0-9]{1,15}",
}
"""What a parameter of a path can be; others are whatever holds no slash."""
_BODY_NOBODY_WANTED = {"408", "413", "415"}
"""The document says in its description that these may come anywhere."""
_REGISTRY: Registry[Any] = Registry().with_resource("openapi", DRAFT202012.create_resource(DOCUMENT))


def check_answer(method: str, path: str, answer: httpx.Response) -> None:
    """AssertionError if the document does not allow `answer` to `method` on `path` (of a URL, encoded).

    The body of an answer that has one must have been read.
    """
    where = f"openapi.json, {method} {path}, {answer.status_code}"
    has_body = method != "HEAD"
    method = method.lower() if has_body else "get"
    documented = _documented(path)
    if method == "options":
        assert answer.status_code == 204, where
    elif documented is None:
        _check_error(where, answer, has_body, "not_found")
    elif method not in documented:
        _check_error(where, answer, has_body, "method_not_allowed")
    else:
        responses = documented[method]["responses"]
        status = str(answer.status_code)
        if status in _BODY_NOBODY_WANTED and status not in responses:
            _check_error(where, answer, has_body)
            return
        assert status in responses, f"{where}: this status is not documented: {answer.text}"
        _check(where, responses[status], answer, has_body)


def client(base_url: str, timeout: float = 5.0) -> httpx.AsyncClient:
    """A client every answer to which must be as documented."""
    return httpx.AsyncClient(base_url=base_url, timeout=timeout, event_hooks={"response": [_hold]})


async def _hold(answer: httpx.Response) -> None:
    await answer.aread()
    path = answer.request.url.raw_path.partition(b"?")[0].decode("ascii")
    check_answer(answer.request.method, path, answer)


def operations() -> Iterator[tuple[str, str, Json]]:
    """Path, method and operation of all there are."""
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def examples(path: str) -> Iterator[str]:
    """Paths, with and without their trailing slash, of a path in OpenAPI's notation."""
    values = {
        "section": "writing",
        "year": "2025",
        "month": "10",
        "day": "08",
        "name": f"{'0a' * 16}.jpg",
        "asset": "start.js",
        "key": "a-key",
    }
    plain = re.sub(r"\{([a-z_]+)\}", lambda match: values.get(match[1], "1"), path).rstrip("/")
    yield plain
    yield f"{plain}/"


def resolved(content: Json) -> Json:
    """`content`, or what its `$ref` within the document points to; KeyError if nothing is there."""
    if "$ref" not in content:
        return content
    found = DOCUMENT
    for step in content["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return found


def _documented(path: str) -> Json | None:
    """The methods of a path, or None if the document has no such path."""
    for template, methods in DOCUMENT["paths"].items():
        if _pattern(template).fullmatch(path):
            found: Json = methods
            return found
    return None


@cache
def _pattern(template: str) -> re.Pattern[str]:
    def group(match: re.Match[str]) -> str:
        return f"(?:{_PATTERNS.get(match[1], '[^/]+')})"

    return re.compile(re.sub(r"\\\{([a-z_]+)\\\}", group, re.escape(template.rstrip("/"))) + "/?")


def _check(where: str, response: Json, answer: httpx.Response, has_body: bool) -> None:
    response = resolved(response)
    for name, header in response.get("headers", {}).items():
        _check_header(where, name, resolved(header), answer.headers)
    media_type = answer.headers.get("Content-Type", "").partition(";")[0]
    content: Mapping[str, Json] = response.get("content", {})
    if not has_body or (not content and not answer.content):
        return
    assert media_type in content, f"{where}: {media_type} is not documented"
    if media_type == "application/json":
        _check_json(where, json.dumps(content[media_type]["schema"]), answer.json())


def _check_header(where: str, name: str, header: Json, headers: httpx.Headers) -> None:
    assert name in headers, f"{where}: {name} is missing"
    value: str | int = headers[name]
    if header["schema"].get("type") == "integer":
        value = int(value)
    jsonschema.Draft202012Validator(header["schema"]).validate(value)


def _check_error(where: str, answer: httpx.Response, has_body: bool, code: str | None = None) -> None:
    if has_body:
        _check_json(where, '{"$ref": "#/components/schemas/Error"}', answer.json())
        assert code in {None, answer.json()["code"]}, f"{where}: {answer.json()['code']} is not documented"


def _check_json(where: str, schema: str, body: object) -> None:
    if error := jsonschema.exceptions.best_match(_validator(schema).iter_errors(body)):
        raise AssertionError(f"{where}, {error.json_path}: {error.message}")


@cache
def _validator(schema: str) -> jsonschema.Draft202012Validator:
    absolute = schema.replace('"#/', '"openapi#/')
    return jsonschema.Draft202012Validator(json.loads(absolute), registry=_REGISTRY)


def references(content: object) -> Iterator[str]:
    """Every `$ref` in `content`."""
    if isinstance(content, list):
        for item in content:
            yield from references(item)
    elif isinstance(content, dict):
        if isinstance(content.get("$ref"), str):
            yield content["$ref"]
        for value in content.values():
            yield from references(value)
