"""asyncapi.yaml, held against what a socket really carries."""

from __future__ import annotations

import json
from functools import cache, lru_cache
from typing import Any

import jsonschema
import yaml
from referencing import Registry
from referencing.jsonschema import DRAFT7

from tests.e2e.server_process import HOME

Json = dict[str, Any]

DOCUMENT: Json = yaml.safe_load((HOME / "asyncapi.yaml").read_text())
_MESSAGES: dict[str, Json] = {
    message["name"]: message for message in DOCUMENT["components"]["messages"].values()
}
_REGISTRY: Registry[Any] = Registry().with_resource("asyncapi", DRAFT7.create_resource(DOCUMENT))


@lru_cache(maxsize=512)  # one publication goes to many sockets
def check_message(line: str) -> str:
    """The name of what the server has sent in `line`; AssertionError if the document does not allow it."""
    message = json.loads(line)
    return _check(_name_of_message(message), message)


def check_command(command: Json) -> str:
    """The same for what a client has sent."""
    return _check(next((name for name in command if name != "id"), "pong"), command)


def names(action: str) -> set[str]:
    """Of the messages that the server may `send`, or `receive`; replies belong to the other side's operations."""
    other = {"send": "receive", "receive": "send"}[action]
    operations = DOCUMENT["operations"].values()
    references = [
        reference
        for operation in operations
        for reference in (
            operation["messages"]
            if operation["action"] == action
            else operation.get("reply", {}).get("messages", [])
            if operation["action"] == other
            else []
        )
    ]
    return {_at(_at(reference["$ref"])["$ref"])["name"] for reference in references}


def _check(name: str, content: Json) -> str:
    if name not in _MESSAGES:
        raise AssertionError(f"asyncapi.yaml has no {name}: {content}")
    if error := jsonschema.exceptions.best_match(_validator(name).iter_errors(content)):
        raise AssertionError(f"asyncapi.yaml, {name}, {error.json_path}: {error.message}")
    return name


@cache
def _validator(name: str) -> jsonschema.Draft7Validator:
    payload = _MESSAGES[name]["payload"]["$ref"]
    return jsonschema.Draft7Validator({"$ref": f"asyncapi{payload}"}, registry=_REGISTRY)


def _name_of_message(message: Json) -> str:
    match message:
        case {"id": _, **content} if len(content) == 1:
            return f"{next(iter(content))}Reply"
        case {"push": {"pub": {"data": {"type": str(event)}}}}:
            return event
        case {"push": {"unsubscribe": _}}:
            return "unsubscribed"
    return "ping"


def _at(reference: str) -> Json:
    """What a `$ref` within the document points to; KeyError if nothing is there."""
    found = DOCUMENT
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return found


def references(content: object = DOCUMENT) -> list[Json]:
    """What every `$ref` in the document points to."""
    if isinstance(content, list):
        return [found for item in content for found in references(item)]
    if not isinstance(content, dict):
        return []
    own = [_at(content["$ref"])] if "$ref" in content else []
    return own + [found for value in content.values() for found in references(value)]
