"""config.yaml as a file to read and to change, and every key in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from server.settings import HOME, Settings

CONFIG = HOME / "config.yaml"


def sections() -> dict[str, dict[str, Any]]:
    """The shipped config.yaml."""
    content: dict[str, dict[str, Any]] = yaml.safe_load(CONFIG.read_text())
    return content


def keys() -> list[tuple[str, str]]:
    """Every key that Settings knows, with its section."""
    return [
        (section, key)
        for section, field in Settings.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
        for key in field.annotation.model_fields
    ]


def variable(section: str, key: str) -> str:
    """The environment variable that overrides a key."""
    return f"TURANTALIM_{section}__{key}".upper()


def written(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text)
    return path
