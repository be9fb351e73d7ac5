"""Settings: config.yaml and the environment, what is refused and how it is told, and what is never shown."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import structlog
import yaml
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from server.logs import configure_logs
from server.settings import HOME, Logs, RubricSettings, Settings, load_settings
from tests.server.configuration import CONFIG, keys, sections, variable, written

PUBLIC_KEY = (
    ec.generate_private_key(ec.SECP256R1())
    .public_key()
    .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    .decode()
)
SECRETS = {
    "auth.secret": "correct horse battery staple, HS256",
    "auth.previous_secret": "the one before that, also HS256 sized",
    "auth.public_key": PUBLIC_KEY,
    "mongo.uri": "mongodb://server:a-password@10.0.0.1/?replicaSet=rs0",
}
RUBRICS = '{"speaking": {"total_score": [{"name": "Fluency", "maximum": 75, "step": 0.5}]}}'
OTHERS: dict[str, tuple[str, object]] = {
    "reviews.second_mark_percent": ("12.5", 12.5),
    "reviews.second_mark_threshold": ("2.5", 2.5),
    "reviews.rubrics": (RUBRICS, RubricSettings.model_validate_json(RUBRICS)),
    "server.host": ("0.0.0.0", "0.0.0.0"),  # noqa: S104  # nothing is bound
    "server.port": ("9000", 9000),
    "server.processes": ("4", 4),
    "server.state_dir": ("/srv/state", Path("/srv/state")),
    "server.drain_seconds": ("2.5", 2.5),
    "server.trust_proxy": ("true", True),
    "auth.secret": (SECRETS["auth.secret"], SECRETS["auth.secret"]),
    "auth.previous_secret": (SECRETS["auth.previous_secret"], SECRETS["auth.previous_secret"]),
    "auth.public_key": (SECRETS["auth.public_key"], SECRETS["auth.public_key"]),
    "auth.jwks_url": ("https://login.uz/jwks.json", "https://login.uz/jwks.json"),
    "auth.dev_login": ("false", False),
    "mongo.uri": (SECRETS["mongo.uri"], SECRETS["mongo.uri"]),
    "mongo.database": ("exams", "exams"),
    "mongo.timeout_seconds": ("0.5", 0.5),
    "media.root": ("uploads", HOME / "uploads"),
    "media.url_ttl_seconds": ("60", 60),
    "media.draft_ttl_seconds": ("7200", 7200.0),
    "media.sweep_seconds": ("10", 10.0),
    "media.reserve_bytes": ("0", 0),
    "media.fsync": ("false", False),
    "media.hashing": ("false", False),
    "examination.enabled": ("false", False),
    "examination.at_once": ("2", 2),
    "examination.memory_bytes": ("536870912", 512 << 20),
    "examination.silence_dbfs": ("-50", -50.0),
    "limits.boundary_chars": ("60", 60),
    "submissions.resubmission": ("replace_pending", "replace_pending"),
    "reviews.time_zone": ("Europe/Berlin", ZoneInfo("Europe/Berlin")),
    "cors.allowed_origins": ('["https://a.uz", "https://b.uz:8443"]', ("https://a.uz", "https://b.uz:8443")),
    "catalogue.enforce": ("true", True),
    "logs.format": ("json", "json"),
    "logs.level": ("debug", "debug"),
}
"""For each key another value: as the environment gives it, and as it is read. Limits and times: see `other`."""


def other(section: str, key: str) -> tuple[str, object]:
    """A value that is not the default."""
    return OTHERS.get(f"{section}.{key}", ("1234", 1234))


def value_of(settings: Settings, section: str, key: str) -> object:
    value = getattr(getattr(settings, section), key)
    return value.get_secret_value() if hasattr(value, "get_secret_value") else value


def test_the_defaults_are_those_of_the_shipped_file(tmp_path: Path) -> None:
    assert load_settings(written(tmp_path, "")) == load_settings(CONFIG) == Settings()


def test_the_shipped_file_has_every_key_and_no_other() -> None:
    found = [(section, key) for section, content in sections().items() for key in content]
    assert found == keys()


def test_the_shipped_file_says_what_every_key_is_for() -> None:
    for section, key in keys():
        (line,) = re.findall(rf"(?m)^  {key}:.*$", section_text(section))
        assert re.search(r"\s# \S+ \S+", line), f"{section}.{key} has no comment"


def section_text(section: str) -> str:
    (text,) = re.findall(rf"(?ms)^{section}:\n(.*?)(?=^\w|\Z)", CONFIG.read_text())
    return str(text)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith("TURANTALIM_"):
            monkeypatch.delenv(name)


@pytest.mark.parametrize(("section", "key"), keys())
def test_the_environment_overrides_one_key_and_no_other(
    monkeypatch: pytest.MonkeyPatch, section: str, key: str
) -> None:
    given, read = other(section, key)
    before = load_settings(CONFIG)
    monkeypatch.setenv(variable(section, key), given)
    after = load_settings(CONFIG)
    assert value_of(after, section, key) == read
    changed = {each for each in keys() if value_of(after, *each) != value_of(before, *each)}
    assert changed == {(section, key)}


@pytest.mark.parametrize(("section", "key"), keys())
def test_the_file_sets_one_key_and_the_environment_wins(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, section: str, key: str
) -> None:
    given, read = other(section, key)
    value = given if isinstance(read, str) else yaml.safe_load(given)
    config = written(tmp_path, yaml.safe_dump({section: {key: value}}))
    assert value_of(load_settings(config), section, key) == read
    default = value_of(load_settings(CONFIG), section, key)
    if isinstance(default, int | float | Path) and not isinstance(default, bool):
        monkeypatch.setenv(variable(section, key), str(default))
        assert value_of(load_settings(config), section, key) == default


@pytest.mark.parametrize("text", ["", "# nothing\n", "server: {}\n", "{}"])
def test_a_file_need_not_say_anything(tmp_path: Path, text: str) -> None:
    assert load_settings(written(tmp_path, text)) == Settings()


def test_relative_paths_start_from_the_folder_of_run_py(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load_settings(written(tmp_path, "server: {state_dir: state}\nmedia: {root: /srv/media}"))
    assert settings.server.state_dir == HOME / "state"
    assert settings.media.root == Path("/srv/media")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"server": {"host": "localhost"}}, True),
        ({"server": {"host": "::1"}}, True),
        ({"server": {"host": "127.1.2.3"}}, True),
        ({"server": {"host": "0.0.0.0"}}, False),  # noqa: S104  # nothing is bound
        ({"server": {"host": "192.168.0.7"}}, False),
        ({"server": {"host": "exam.uz"}}, False),
        ({"server": {"host": "::"}}, False),
        ({"server": {"host": ""}}, False),
        ({"mongo": {"uri": SECRETS["mongo.uri"]}}, False),
        ({"mongo": {"uri": SECRETS["mongo.uri"]}, "auth": {"dev_login": True}}, True),
        ({"auth": {"dev_login": False}}, False),
    ],
)
def test_dev_login_left_open_is_for_ones_own_machine_only(
    tmp_path: Path, changes: dict[str, dict[str, object]], expected: bool
) -> None:
    assert load_settings(written(tmp_path, yaml.safe_dump(changes))).dev_login is expected


@pytest.fixture
def log_output() -> Iterator[io.StringIO]:
    """What a server logs, in its own format."""
    root, output = logging.getLogger(), io.StringIO()
    before = list(root.handlers)
    with contextlib.redirect_stderr(output):
        configure_logs(Logs(format="json", level="debug"))
    yield output
    root.handlers[:] = before


@pytest.mark.parametrize("secret", SECRETS)
def test_secrets_are_never_shown(tmp_path: Path, log_output: io.StringIO, secret: str) -> None:
    section, key = secret.split(".")
    settings = load_settings(written(tmp_path, yaml.safe_dump({section: {key: SECRETS[secret]}})))
    assert value_of(settings, section, key) == SECRETS[secret]
    structlog.get_logger("test").warning("starting", settings=settings, section=getattr(settings, section))
    shown = [
        repr(settings),
        str(settings),
        settings.model_dump_json(),
        repr(settings.model_dump()),
        repr(getattr(settings, section)),
        log_output.getvalue(),
    ]
    assert "starting" in shown[-1]
    assert [text for text in shown if SECRETS[secret] in text] == []
