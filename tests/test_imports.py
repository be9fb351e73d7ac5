"""Imports point one way: run → server → handlers → storage, and the pure layers import nothing that waits."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).resolve().parent.parent
LAYERS = ("run", "server", "handlers", "storage")
"""From the outside in: a layer may import itself and those after it (design section 6)."""

MONGO = ("motor", "pymongo", "bson", "gridfs")
MONGO_IS_IMPORTED_IN = PurePosixPath("storage/database.py")

PURE_STANDARD_LIBRARY = (
    "__future__",
    "abc",
    "base64",
    "binascii",
    "bisect",
    "collections",
    "contextlib",
    "copy",
    "csv",
    "dataclasses",
    "datetime",
    "decimal",
    "enum",
    "fractions",
    "functools",
    "hashlib",
    "heapq",
    "hmac",
    "itertools",
    "json",
    "math",
    "operator",
    "re",
    "string",
    "struct",
    "textwrap",
    "types",
    "typing",
    "unicodedata",
    "urllib.parse",
)
"""What computes and nothing else. A module with I/O, async, threads, processes or logging never joins it."""

PURE = {
    PurePosixPath("storage/domain"): (*PURE_STANDARD_LIBRARY, "storage.domain"),
    PurePosixPath("handlers/protocol"): (
        *PURE_STANDARD_LIBRARY,
        "multipart",
        "pydantic",
        "orjson",
        "storage.domain",
        "handlers.protocol",
    ),
}
"""All that the files of a pure folder may import."""


def violations(path: PurePosixPath, source: str) -> list[str]:
    """What `source`, at `path` below the root, imports against the rules."""
    layer = path.parts[0].removesuffix(".py")
    outer = LAYERS[: LAYERS.index(layer)]
    allowed = next((names for folder, names in PURE.items() if path.is_relative_to(folder)), None)
    found = []
    for name in _imported(path, source):
        if _is_one_of(name, outer):
            found.append(f"{path}: {layer} imports {name}, which is further out")
        if _is_one_of(name, ("tests",)):
            found.append(f"{path}: imports {name}; the product does not know its tests")
        if _is_one_of(name, MONGO) and path != MONGO_IS_IMPORTED_IN:
            found.append(f"{path}: imports {name}, which only {MONGO_IS_IMPORTED_IN} does")
        if allowed is not None and not _is_one_of(name, allowed):
            found.append(f"{path}: is pure and imports {name}")
    return found


def _imported(path: PurePosixPath, source: str) -> Iterator[str]:
    """Full names of all that is imported anywhere in `source`, in functions and TYPE_CHECKING blocks too."""
    for node in ast.walk(ast.parse(source, str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = path.parts[: -node.level] if node.level else ()
            base = ".".join([*package, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _is_one_of(name: str, modules: tuple[str, ...]) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def _product_files() -> list[PurePosixPath]:
    paths = [path for layer in LAYERS for path in ROOT.glob(f"{layer}/**/*.py")]
    return sorted(PurePosixPath(path.relative_to(ROOT)) for path in [*paths, *ROOT.glob("run.py")])


def test_every_import_points_inwards_and_the_pure_layers_stay_pure() -> None:
    found = [
        violation
        for path in _product_files()
        for violation in violations(path, (ROOT / path).read_text(encoding="utf-8"))
    ]
    assert found == []


def test_the_walk_reaches_every_layer() -> None:
    folders = {path.parent for path in _product_files()}
    assert {PurePosixPath(layer) for layer in LAYERS[1:]} | PURE.keys() <= folders
    assert MONGO_IS_IMPORTED_IN in _product_files()


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("storage/media_vault.py", "import handlers"),
        ("storage/media_vault.py", "from handlers.errors import status_of"),
        ("storage/media_vault.py", "import server.settings as settings"),
        ("storage/media_vault.py", "import run"),
        ("handlers/upload.py", "from server import services"),
        ("handlers/upload.py", "def late():\n    from server.services import Services"),
        ("handlers/upload.py", "if TYPE_CHECKING:\n    from server.services import Services"),
        ("server/services.py", "import run"),
        ("server/services.py", "from tests.forms import encode"),
        ("run.py", "import tests"),
        ("storage/submission_store.py", "import pymongo"),
        ("storage/submission_store.py", "from motor.motor_asyncio import AsyncIOMotorClient"),
        ("handlers/upload.py", "from bson import ObjectId"),
        ("storage/domain/grading.py", "import asyncio"),
        ("storage/domain/grading.py", "import os.path"),
        ("storage/domain/grading.py", "from pathlib import Path"),
        ("storage/domain/grading.py", "import logging, math"),
        ("storage/domain/grading.py", "import urllib.request"),
        ("storage/domain/grading.py", "from urllib import request"),
        ("storage/domain/grading.py", "import orjson"),
        ("storage/domain/grading.py", "from storage import media_vault"),
        ("storage/domain/grading.py", "import storage"),
        ("storage/domain/grading.py", "from . import ports\nfrom .. import database"),
        ("storage/domain/grading.py", "from ..database import Database"),
        ("handlers/protocol/pace.py", "import tornado.web"),
        ("handlers/protocol/pace.py", "import time"),
        ("handlers/protocol/pace.py", "from handlers.base import BaseHandler"),
        ("handlers/protocol/pace.py", "from ..base import BaseHandler"),
        ("handlers/protocol/pace.py", "from storage.submission_store import SubmissionStore"),
        ("handlers/protocol/pace.py", "import multipart_other"),
    ],
)
def test_flags_a_bad_import(path: str, source: str) -> None:
    assert violations(PurePosixPath(path), source)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("run.py", "from server.commands import main\nimport handlers, storage"),
        ("server/services.py", "import asyncio\nfrom handlers.upload import UploadHandler\nimport storage"),
        (
            "handlers/upload.py",
            "import tornado.web\nfrom storage.media_vault import MediaVault\nfrom . import base",
        ),
        ("storage/database.py", "import motor.motor_asyncio\nfrom bson.timestamp import Timestamp"),
        ("storage/media_vault.py", "import os\nfrom storage.domain import media_rules"),
        ("storage/domain/grading.py", "import math\nfrom storage.domain import people\nfrom . import errors"),
        ("storage/domain/grading.py", "from collections.abc import Mapping\nfrom urllib.parse import quote"),
        ("handlers/protocol/pace.py", "import multipart, orjson\nfrom pydantic import BaseModel"),
        (
            "handlers/protocol/pace.py",
            "from handlers.protocol import byte_range\nfrom storage.domain import people",
        ),
    ],
)
def test_lets_a_good_import_pass(path: str, source: str) -> None:
    assert violations(PurePosixPath(path), source) == []
