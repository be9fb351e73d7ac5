"""What stops the start: every mistake in the configuration is named by its key, and shows no secret."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from server.settings import BadSettings, load_settings
from tests.server.configuration import CONFIG, variable, written

BAD_VALUES = {
    "server.port": ["-1", "65536", "http", "", "8000.5"],
    "server.processes": ["0", "65", "many"],
    "server.drain_seconds": ["0", "-1", "soon"],
    "server.trust_proxy": ["perhaps"],
    "auth.secret": ["x" * 31, "x"],
    "auth.previous_secret": ["too short"],
    "auth.public_key": ["garbage"],
    "auth.jwks_url": ["login.uz/jwks.json", "file:///etc/passwd"],
    "auth.dev_login": ["perhaps"],
    "mongo.uri": ["postgres://localhost", "", "localhost:27017", "mongodb://", "mongodb://host:port/"],
    "mongo.database": ["a b", "", "a/b", "x" * 39],
    "mongo.timeout_seconds": ["0"],
    "media.root": [""],
    "server.state_dir": [""],
    "media.url_ttl_seconds": ["0", "1.5"],
    "media.draft_ttl_seconds": ["-3600"],
    "media.sweep_seconds": ["0"],
    "media.reserve_bytes": ["-1", "1 GiB"],
    "limits.image_bytes": ["0", "10MB"],
    "limits.part_header_bytes": ["255"],
    "limits.min_bytes_per_second": ["-1"],
    "submissions.resubmission": ["replace"],
    "reviews.lease_seconds": ["0", "inf", "nan"],
    "reviews.second_mark_percent": ["-1", "101", "nan"],
    "reviews.second_mark_threshold": ["-0.25", "inf"],
    "reviews.rubrics": ["[]", "none", '{"reading": {}}', '{"writing": {"total_score": []}}'],
    "reviews.time_zone": ["Tashkent", "", "../UTC"],
    "status.ring_seconds": ["inf"],
    "cors.allowed_origins": [
        "https://a.uz",
        '"https://a.uz"',
        '["*"]',
        '["a.uz"]',
        '["https://a.uz/"]',
        "[1]",
    ],
    "catalogue.enforce": ["2"],
    "logs.format": ["xml"],
    "logs.level": ["INFO!"],
}


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith("TURANTALIM_"):
            monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("path", "value"), [(path, value) for path in BAD_VALUES for value in BAD_VALUES[path]]
)
def test_a_bad_value_in_the_environment_is_named(
    monkeypatch: pytest.MonkeyPatch, path: str, value: str
) -> None:
    section, key = path.split(".")
    monkeypatch.setenv(variable(section, key), value)
    with pytest.raises(BadSettings) as refused:
        load_settings(CONFIG)
    assert str(refused.value).startswith(f"{path}")


@pytest.mark.parametrize(
    ("path", "value"), [(path, value) for path in BAD_VALUES for value in BAD_VALUES[path]]
)
def test_a_bad_value_in_the_file_is_named(tmp_path: Path, path: str, value: str) -> None:
    section, key = path.split(".")
    with pytest.raises(BadSettings) as refused:
        load_settings(written(tmp_path, yaml.safe_dump({section: {key: value}})))
    assert str(refused.value).startswith(f"{path}")


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("server: {prot: 8000}", "server.prot: there is no such key"),
        ("servr: {port: 8000}", "servr: there is no such key"),
        ("port: 8000", "port: there is no such key"),
        ("server: {port: 8000, host: {name: a}}", "server.host:"),
        ("server: 8000", "server:"),
        ("server:", "server:"),
        ("server: [1]", "server:"),
        ("cors: {allowed_origins: [https://a.uz, '*']}", "cors.allowed_origins.1:"),
        ("dev_login: true", "dev_login: there is no such key"),
    ],
)
def test_what_the_file_says_in_the_wrong_place_is_named(tmp_path: Path, text: str, path: str) -> None:
    with pytest.raises(BadSettings) as refused:
        load_settings(written(tmp_path, text))
    assert str(refused.value).startswith(path)


@pytest.mark.parametrize(
    ("rubric", "named"),
    [
        (
            "speaking: {total_score: [{name: All, maximum: 74}]}",
            "speaking.total_score: the maxima add up to 74,",
        ),
        (
            "writing: {task1_score: [{name: A, maximum: 12}, {name: B, maximum: 12}]}",
            "writing.task1_score: the maxima add up to 24, not to 24.75",
        ),
        (
            "speaking: {total_score: [{name: A, maximum: 37.5}, {name: A, maximum: 37.5}]}",
            "speaking.total_score: a criterion is named twice",
        ),
        ("speaking: {total_score: [{name: A.b, maximum: 75}]}", "speaking.total_score.0.name: "),
        ("speaking: {total_score: [{name: $A, maximum: 75}]}", "speaking.total_score.0.name: "),
        ("speaking: {total_score: [{name: '', maximum: 75}]}", "speaking.total_score.0.name: "),
        ("speaking: {total_score: [{name: A, maximum: 75, step: 0}]}", "speaking.total_score.0.step: "),
        ("speaking: {total_score: [{name: A, maximum: 75, step: 0.1}]}", "speaking.total_score.0.step: "),
        ("speaking: {total_score: [{name: A, maximum: 75.1}]}", "speaking.total_score.0.maximum: "),
        ("speaking: {total_score: [{name: A}]}", "speaking.total_score.0.maximum: "),
        (
            "speaking: {total_score: [{name: A, maximum: 75, weight: 1}]}",
            "speaking.total_score.0.weight: there",
        ),
        ("speaking: {total_score: 75}", "speaking.total_score: "),
    ],
)
def test_a_rubric_that_makes_no_score_is_named(tmp_path: Path, rubric: str, named: str) -> None:
    with pytest.raises(BadSettings) as refused:
        load_settings(written(tmp_path, f"reviews: {{rubrics: {{{rubric}}}}}"))
    assert str(refused.value).startswith(f"reviews.rubrics.{named}")


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("TURANTALIM_SERVER__PROT", "server.prot: there is no such key"),
        ("TURANTALIM_SERVR__PORT", "TURANTALIM_SERVR__PORT: there is no such key"),
        ("TURANTALIM_SERVER", "TURANTALIM_SERVER: there is no such key"),
        ("TURANTALIM_SERVER_PORT", "TURANTALIM_SERVER_PORT: there is no such key"),
        ("TURANTALIM_DEV_LOGIN", "TURANTALIM_DEV_LOGIN: there is no such key"),
        ("TURANTALIM_SERVER__PORT__MAIN", "server.port:"),
        ("TURANTALIM_AUTH__DEV_LOGIN__X", "auth.dev_login:"),
        ("turantalim_server__prot", "server.prot: there is no such key"),
        ("TURANTALIM_", "TURANTALIM_: there is no such key"),
    ],
)
def test_an_environment_variable_that_means_nothing_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, named: str
) -> None:
    monkeypatch.setenv(name, "1")
    with pytest.raises(BadSettings) as refused:
        load_settings(CONFIG)
    assert str(refused.value).startswith(named)


def test_every_mistake_has_its_own_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TURANTALIM_LIMITS__ANSWERS", "none")
    with pytest.raises(BadSettings) as refused:
        load_settings(written(tmp_path, "server: {port: 99999}\nlogs: {level: loud}\nmongo: {name: x}"))
    named = {line.split(":")[0] for line in str(refused.value).splitlines()}
    assert named == {"server.port", "logs.level", "mongo.name", "limits.answers"}


@pytest.mark.parametrize("text", ["- 1", "just words", "1: {}", "server: [", "server: {port: 1", "\ttab: 1"])
def test_a_file_that_is_no_configuration_is_named(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(BadSettings) as refused:
        load_settings(path)
    assert str(refused.value).startswith(str(path))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=r"none\.yaml"):
        load_settings(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("auth: {secret: hunter2}", "hunter2"),
        ("auth: {secrte: a-secret-under-a-misspelt-key-0123456}", "a-secret-under"),
        ("mongo: {uri: 'mongo://server:hunter2@10.0.0.1/'}", "hunter2"),
        ("mongo: {uri: 'mongodb://server:hun:ter2@10.0.0.1/'}", "ter2"),
        ("auth:\n  secret: hunter2: and more\n", "hunter2"),
        ('auth:\n  secret: "hunter2\n  jwks_url: ""\n', "hunter2"),
        ("auth: {secret: [hunter2]}", "hunter2"),
    ],
)
def test_a_refusal_does_not_show_the_secret(tmp_path: Path, text: str, secret: str) -> None:
    with pytest.raises(BadSettings) as refused:
        load_settings(written(tmp_path, text))
    assert secret not in str(refused.value)


def test_settings_do_not_change_once_they_are_loaded() -> None:
    settings = load_settings(CONFIG)
    with pytest.raises(ValueError, match="frozen"):
        settings.server.port = 1  # type: ignore[misc]
    with pytest.raises(ValueError, match="frozen"):
        settings.server = settings.server  # type: ignore[misc]
