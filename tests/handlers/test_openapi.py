"""openapi.json describes all that is served and nothing else, and the file in the repository is up to date."""

from __future__ import annotations

import json
from collections.abc import Mapping

import httpx
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from handlers.base import BaseHandler
from handlers.errors import STATUSES
from handlers.small_body import NotFoundHandler
from server.application import document_text, served
from storage.domain.errors import ServiceError
from storage.domain.people import Role
from tests import openapi
from tests.handlers.reviews import Cast, review_path
from tests.handlers.test_error_table import LOST_RACES, tree
from tests.handlers.uploads import submit_speaking

HANDLERS = {handler for _, handler in served()}
DOCUMENTED = list(openapi.operations())


def implemented(handler: type[BaseHandler]) -> set[str]:
    return {name for name in openapi.METHODS if getattr(handler, name) is not getattr(BaseHandler, name)}


def test_the_file_is_what_the_handlers_say() -> None:
    assert openapi.FILE.read_text() == document_text(), "run `make openapi`"


def test_is_an_openapi_document() -> None:
    OpenAPIV31SpecValidator(openapi.DOCUMENT).validate()


def test_every_reference_leads_somewhere() -> None:
    references = list(openapi.references(openapi.DOCUMENT))
    assert len(references) > 100
    for reference in references:
        assert openapi.resolved({"$ref": reference})


@pytest.mark.parametrize("handler", HANDLERS, ids=lambda handler: handler.__name__)
def test_every_handler_documents_its_methods(handler: type[BaseHandler]) -> None:
    documented = handler.documented
    assert documented is not None
    assert {method for method, _ in documented.operations()} == implemented(handler)


@pytest.mark.parametrize("path", openapi.DOCUMENT["paths"])
def test_every_path_is_served_by_the_handler_that_documents_it(path: str) -> None:
    for example in openapi.examples(path):
        first = next(handler for pattern, handler in served() if pattern.match(example))
        assert first.documented is not None
        assert first.documented.path == path


def test_every_error_is_documented_somewhere() -> None:
    """With its status; 404 and 405 of what is not listed are in the description."""
    documented = {
        (int(status), code)
        for name in openapi.DOCUMENT["components"]["responses"]
        for status, *codes in [name.split(".")]
        for code in codes
    }
    errors = {
        (next(STATUSES[cls] for cls in error.__mro__ if cls in STATUSES), error.code)
        for error in tree(ServiceError)
    }
    assert errors - documented == {(405, "method_not_allowed")}
    assert documented <= errors
    assert LOST_RACES  # these are documented too, though no test can trip them


def test_says_who_may_do_what() -> None:
    for handler in HANDLERS - {NotFoundHandler}:
        assert handler.documented is not None
        for method, _ in handler.documented.operations():
            operation = openapi.DOCUMENT["paths"][handler.documented.path][method]
            assert bool(operation.get("security")) is not handler.public
            if handler.access == {Role.ADMIN}:
                assert operation["description"].endswith("Admins.")


@pytest.mark.gen_test(timeout=30)
async def test_says_which_bodies_may_be_left_out(client: httpx.AsyncClient, cast: Cast) -> None:
    """These and no others are fine without one."""
    submission = await submit_speaking(client, cast.student)
    refused = {}
    for path, method, operation in DOCUMENTED:
        if "application/json" in operation.get("requestBody", {}).get("content", {}):
            place = path.replace("{manual_review_id}", str(submission["manual_review_id"]))
            answer = await client.request(method.upper(), place, headers=cast.reviewer)
            refused[method, path] = answer.status_code == 400
    required = {
        (method, path): operation["requestBody"]["required"]
        for path, method, operation in DOCUMENTED
        if (method, path) in refused
    }
    assert refused == required
    assert set(required.values()) == {True, False}


@pytest.mark.gen_test(timeout=30)
async def test_is_served_to_anyone_and_not_sent_again(client: httpx.AsyncClient) -> None:
    answer = await client.get("/openapi.json")
    assert answer.status_code == 200
    assert answer.json() == openapi.DOCUMENT
    assert answer.headers["Cache-Control"] == "no-cache"
    again = await client.get("/openapi.json/", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.gen_test(timeout=30)
async def test_notices_whatever_is_not_documented(client: httpx.AsyncClient, cast: Cast) -> None:
    """Else that every answer the other tests get is held against it would say nothing."""
    submission = await submit_speaking(client, cast.student)
    path = review_path(submission)
    answer = await client.get(path, headers=cast.reviewer)
    body = answer.json()
    openapi.check_answer("GET", path, answer)
    wrong = [
        changed(answer, status_code=201),
        changed(answer, status_code=404),
        changed(answer, media_type="text/html"),
        changed(answer, headers={}),
        *(changed(answer, body | {name: ["something"]}) for name in ("more", *body)),
        *(changed(answer, {name: body[name] for name in body if name != left_out}) for left_out in body),
    ]
    for each in wrong:
        with pytest.raises(AssertionError, match=r"openapi\.json"):
            openapi.check_answer("GET", path, each)
    for method, elsewhere in (("POST", path), ("GET", "/nowhere"), ("OPTIONS", path)):
        with pytest.raises(AssertionError, match=r"openapi\.json"):
            openapi.check_answer(method, elsewhere, answer)


def changed(
    answer: httpx.Response,
    body: object = None,
    *,
    status_code: int = 200,
    media_type: str = "application/json",
    headers: Mapping[str, str] | None = None,
) -> httpx.Response:
    kept = {"X-Request-Id": answer.headers["X-Request-Id"]} if headers is None else dict(headers)
    return httpx.Response(
        status_code,
        headers=kept | {"Content-Type": media_type},
        content=json.dumps(answer.json() if body is None else body),
    )
