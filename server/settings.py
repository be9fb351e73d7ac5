"""Settings: `config.yaml` plus the environment, checked once at the start, frozen after."""

from __future__ import annotations

import ipaddress
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal
from zoneinfo import ZoneInfo

import yaml
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from storage.database import check_uri
from storage.domain.grading import SCORE_LIMITS
from storage.domain.rubrics import STEP, Criterion, Rubrics, criteria_problem
from storage.upload_intake import Resubmission

HOME = Path(__file__).resolve().parent.parent
"""The folder of run.py, which relative paths in the settings start from."""

EMBEDDED = "embedded"
_PREFIX = "TURANTALIM_"
MIN_SECRET_BYTES = 32
"""RFC 7518, section 3.2: an HS256 key has at least the size of its hash."""


class BadSettings(Exception):
    """The configuration cannot be used; the message has a line for each key that is wrong."""


@contextmanager
def naming(key: str) -> Iterator[None]:
    """Turn what the operating system refuses inside into BadSettings that names `key`."""
    try:
        yield
    except OSError as error:
        raise BadSettings(f"{key}: {error}") from error


def _from_home(path: object) -> object:
    if path == "":
        raise ValueError("a folder is needed")
    return HOME / path if isinstance(path, str | Path) else path


def _from_json(value: object, needed: str) -> object:
    """A list or object, which the environment can only give as text."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        raise ValueError(needed) from None


HomePath = Annotated[Path, BeforeValidator(_from_home)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, allow_inf_nan=False)


class Server(_Section):
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    processes: Annotated[int, Field(ge=1, le=64)] = 1
    state_dir: HomePath = HOME / "var"
    drain_seconds: PositiveFloat = 25
    trust_proxy: bool = False

    @field_validator("processes")
    @classmethod
    def _several_need_linux(cls, value: int) -> int:
        if value > 1 and sys.platform != "linux":  # its SO_REUSEPORT, its locks, its way to end workers
            raise ValueError("more than one needs Linux")
        return value

    @property
    def is_loopback(self) -> bool:
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


class Auth(_Section):
    secret: SecretStr = SecretStr("")
    previous_secret: SecretStr = SecretStr("")
    public_key: SecretStr = SecretStr("")
    jwks_url: str = ""
    dev_login: bool | None = None

    @field_validator("secret", "previous_secret")
    @classmethod
    def _long_enough(cls, value: SecretStr) -> SecretStr:
        if 0 < len(value.get_secret_value().encode()) < MIN_SECRET_BYTES:
            raise ValueError(f"an HS256 key needs at least {MIN_SECRET_BYTES} bytes")
        return value

    @field_validator("public_key")
    @classmethod
    def _is_pem(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value():
            try:
                load_pem_public_key(value.get_secret_value().encode())
            except (ValueError, UnsupportedAlgorithm):
                raise ValueError("a public key as PEM text is needed") from None
        return value

    @field_validator("jwks_url")
    @classmethod
    def _is_http(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("an http:// or https:// URL is needed")
        return value


class Mongo(_Section):
    uri: SecretStr = SecretStr(EMBEDDED)
    database: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,38}$")] = "turantalim"
    timeout_seconds: PositiveFloat = 5
    wait_seconds: NonNegativeFloat = 20

    @field_validator("uri")
    @classmethod
    def _is_mongodb(cls, value: SecretStr) -> SecretStr:
        uri = value.get_secret_value()
        if uri != EMBEDDED and not uri.startswith(("mongodb://", "mongodb+srv://")):
            raise ValueError(f'"{EMBEDDED}" or a mongodb:// URI is needed')
        if uri.startswith("mongodb://"):  # the other kind needs DNS to be read
            check_uri(uri)
        return value

    @property
    def is_embedded(self) -> bool:
        return self.uri.get_secret_value() == EMBEDDED


class Media(_Section):
    root: HomePath = HOME / "var" / "media"
    url_ttl_seconds: PositiveInt = 3600
    draft_ttl_seconds: PositiveFloat = 3600
    sweep_seconds: PositiveFloat = 300
    reserve_bytes: NonNegativeInt | None = None
    fsync: bool = True
    hashing: bool = True


class Examination(_Section):
    enabled: bool = True
    at_once: Annotated[int, Field(ge=1, le=16)] = 1
    scan_seconds: PositiveFloat = 30
    seconds: PositiveFloat = 30
    memory_bytes: Annotated[int, Field(ge=256 << 20)] = 1 << 30
    tiny_pixels: NonNegativeInt = 400
    photo_pixels: PositiveInt = 100_000_000
    blank_contrast: NonNegativeFloat = 1
    short_seconds: NonNegativeFloat = 2
    long_seconds: PositiveFloat = 3600
    silence_dbfs: Annotated[float, Field(le=0)] = -40
    voice_seconds: PositiveFloat = 0.3


class Limits(_Section):
    uploads: PositiveInt = 512
    uploads_per_user: PositiveInt = 64
    draft_bytes: PositiveInt = 16 << 30
    image_bytes: PositiveInt = 10 << 20
    audio_bytes: PositiveInt = 50 << 20
    images_per_task: PositiveInt = 10
    answers: PositiveInt = 20
    request_bytes: PositiveInt = 512 << 20
    fields: PositiveInt = 100
    field_bytes: PositiveInt = 4096
    part_headers: Annotated[int, Field(ge=2)] = 8
    part_header_bytes: Annotated[int, Field(ge=256)] = 4096
    boundary_chars: Annotated[int, Field(ge=1, le=70)] = 70
    json_bytes: PositiveInt = 256 << 10
    idle_seconds: PositiveFloat = 30
    min_bytes_per_second: NonNegativeInt = 1024
    request_seconds: PositiveFloat = 7200
    drain_bytes: NonNegativeInt = 128 << 20
    drain_seconds: PositiveFloat = 30
    linger_seconds: PositiveFloat = 5


class Submissions(_Section):
    resubmission: Resubmission = Resubmission.REJECT


class CriterionSettings(_Section):
    name: Annotated[str, Field(pattern=r"^[^.$\x00-\x1f]{1,64}$")]  # a field name in documents and in errors
    maximum: Annotated[float, Field(gt=0, multiple_of=STEP)]
    step: Annotated[float, Field(gt=0, multiple_of=STEP)] = STEP

    @property
    def criterion(self) -> Criterion:
        return Criterion(self.name, self.maximum, self.step)


class _SectionRubric(_Section):
    """The criteria of each score field of a section; none: the field is scored as a whole."""

    section: ClassVar[str]

    @field_validator("*")
    @classmethod
    def _adds_up(
        cls, value: tuple[CriterionSettings, ...], info: ValidationInfo
    ) -> tuple[CriterionSettings, ...]:
        limit = SCORE_LIMITS[cls.section][str(info.field_name)]
        if problem := criteria_problem([each.criterion for each in value], limit):
            raise ValueError(problem)
        return value


class WritingRubric(_SectionRubric):
    section = "writing"
    task1_score: tuple[CriterionSettings, ...] = ()
    task2_score: tuple[CriterionSettings, ...] = ()


class SpeakingRubric(_SectionRubric):
    section = "speaking"
    total_score: tuple[CriterionSettings, ...] = ()


class RubricSettings(_Section):
    writing: WritingRubric = WritingRubric()
    speaking: SpeakingRubric = SpeakingRubric()

    @property
    def rubrics(self) -> Rubrics:
        """Of score fields that have criteria."""
        return {
            rubric.section: {
                field: tuple(each.criterion for each in criteria) for field, criteria in rubric if criteria
            }
            for rubric in (self.writing, self.speaking)
        }


class Reviews(_Section):
    lease_seconds: PositiveFloat = 900
    rubrics: RubricSettings = RubricSettings()
    second_mark_percent: Annotated[float, Field(ge=0, le=100)] = 0
    second_mark_threshold: NonNegativeFloat = 5
    time_zone: ZoneInfo = ZoneInfo("Asia/Tashkent")

    @field_validator("rubrics", mode="before")
    @classmethod
    def _from_environment(cls, value: object) -> object:
        return _from_json(value, "a JSON object is needed, see config.yaml")


class Status(_Section):
    sockets: PositiveInt = 20_000
    sockets_per_user: PositiveInt = 5
    connect_seconds: PositiveFloat = 10
    ping_seconds: PositiveInt = 25
    pong_seconds: PositiveFloat = 8
    outgoing_bytes: PositiveInt = 1 << 20
    commands_per_second: PositiveFloat = 10
    ring_seconds: PositiveFloat = 600


class Cors(_Section):
    allowed_origins: tuple[Annotated[str, Field(pattern=r"^https?://[^/*\s]+$")], ...] = (
        "http://localhost:3000",
        "http://127.0.0.1:3000",
    )

    @field_validator("allowed_origins", mode="before")
    @classmethod
    def _from_environment(cls, value: object) -> object:
        return _from_json(value, 'a JSON list is needed, for example ["https://turantalim.uz"]')


class CatalogueRules(_Section):
    enforce: bool = False


class Logs(_Section):
    format: Literal["auto", "console", "json"] = "auto"
    level: Literal["debug", "info", "warning", "error"] = "info"


class Settings(BaseSettings):
    """All settings. Secrets show as asterisks in every repr and log."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX,
        env_nested_delimiter="__",
        enable_decoding=False,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    server: Server = Server()
    auth: Auth = Auth()
    mongo: Mongo = Mongo()
    media: Media = Media()
    examination: Examination = Examination()
    limits: Limits = Limits()
    submissions: Submissions = Submissions()
    reviews: Reviews = Reviews()
    status: Status = Status()
    cors: Cors = Cors()
    catalogue: CatalogueRules = CatalogueRules()
    logs: Logs = Logs()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (env_settings, init_settings)  # the environment wins over the file

    @property
    def dev_login(self) -> bool:
        """`auth.dev_login`, which left open is true only on a developer's own machine."""
        if self.auth.dev_login is None:
            return self.mongo.is_embedded and self.server.is_loopback
        return self.auth.dev_login


def load_settings(config: Path | None = None) -> Settings:
    """Read `config` (config.yaml beside run.py by default) and the environment, which wins.

    Raises BadSettings with one line a wrong key, `section.key: what is wrong`.
    """
    path = config or HOME / "config.yaml"
    try:
        content = yaml.safe_load(path.read_text("utf-8")) or {}
    except yaml.MarkedYAMLError as error:  # in full it would show the line, which may hold a secret
        mark = error.problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "somewhere"
        raise BadSettings(f"{path}: {place}: {error.problem}") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadSettings(f"{path}: {error}") from error
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
        raise BadSettings(f"{path}: sections with keys are needed")
    _refuse_unknown_environment()
    try:
        return Settings(**content)
    except ValidationError as error:
        raise BadSettings("\n".join(_line(problem) for problem in error.errors())) from error


def _refuse_unknown_environment() -> None:
    """pydantic-settings only looks up names it knows, so a misspelt section would pass unseen."""
    for name in os.environ:
        if not name.upper().startswith(_PREFIX):
            continue
        section, _, key = name[len(_PREFIX) :].lower().partition("__")
        if section not in Settings.model_fields or not key:
            raise BadSettings(f"{name}: there is no such key")


def _line(problem: Any) -> str:
    path = ".".join(str(part) for part in problem["loc"])
    sentence = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        sentence = "there is no such key"
    return f"{path}: {sentence}"
