"""Every setting, once. Sources, the first wins: command line, HEADRACE_* environment, .env, headrace.toml, defaults."""

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from pipelines.environment import NO_SETTINGS, PREFIX
from pipelines.faults import fault, nearest
from pipelines.model import NAME, NAMESPACE

SECRET = {"clickhouse"}
"""Settings that may hold a password: nobody is shown their values."""

FOR_TESTS = "TEST_"
"""What our tests read begins so, behind the prefix."""
KUBERNETES = re.compile(r"SERVICE_(HOST|PORT)(_\w+)?|PORT_\d+_\w+")
"""What Kubernetes puts into every pod where a service is called headrace, but HEADRACE_PORT: people write that too."""


HOUR, DAY, CENTURY = 3_600, 86_400, 36_500 * 86_400
"""Seconds."""


class SettingsError(Exception):
    """A setting is wrong; the text says in one line which one, and why."""


class Settings(BaseSettings):
    """Durations are seconds unless a name says otherwise."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, toml_file="headrace.toml", extra="ignore", frozen=True, allow_inf_nan=False
    )

    # where things are
    home: Path = Field(
        Path("~/.headrace").expanduser(), description="Data of this machine: Kafka, RocksDB, ClickHouse."
    )
    pipelines_dir: Path = Field(Path("pipelines/examples"), description="Pipeline files: every *.py in it is loaded.")
    kafka: str = Field("127.0.0.1:9092", description="Bootstrap servers.")
    namespace: str = Field("headrace", pattern=NAMESPACE, description="First part of all topic and group names.")
    edge_host: str = "127.0.0.1"
    edge_port: int = Field(8090, ge=1, le=65_535)
    edge_url: str = Field(
        default_factory=lambda known: f"http://{known['edge_host']}:{known['edge_port']}",
        description="Where the HTTP API is, for clients and workers; none: at the host and port above.",
    )
    dashboard_host: str = "127.0.0.1"
    dashboard_port: int = Field(8091, ge=1, le=65_535)
    clickhouse: str = Field(
        "chdb",
        description="chdb (embedded, in the edge) or the URL of a server, 25.8 or newer; percent-encode its password.",
    )
    token_file: Path | None = Field(None, description="The API's token; none: api-token in `home`.")

    # how wide
    task_partitions: int = Field(1, ge=1, le=4096)
    ready_partitions: int = Field(1, ge=1, le=256)
    submit_partitions: int = Field(1, ge=1, le=4096)
    event_partitions: int = Field(1, ge=1, le=256)
    lanes: int = Field(32, ge=1, le=10_000)
    replication: int = Field(1, ge=1, le=7)
    standbys: int = Field(1, ge=0, le=3, description="Warm copies of each table on other schedulers.")

    # time
    session_timeout: float = Field(
        1.5, ge=1, le=HOUR / 2, description="A scheduler silent for so long has its partitions moved; 1 or more."
    )
    lease: float = Field(5.0, ge=1, le=HOUR, description="A worker silent for so long has lost what it ran; 1 or more.")
    keep_finished: float = Field(
        3600.0, ge=0.1, le=CENTURY, description="How long record and value of what has ended are kept."
    )
    remember_done: float = Field(
        604_800.0,
        ge=0,
        le=CENTURY,
        description="For how much longer only how it ended is known: it is not executed again.",
    )
    history_days: int = Field(
        730, ge=1, le=18_250, description="How long ClickHouse, whose times end in 2106, keeps history."
    )

    # workers
    worker_name: str = ""
    pool: str = Field("default", pattern=NAME)
    slots: int = Field(8, ge=1, le=10_000)
    lookahead: float = Field(
        0.02, ge=0, le=10, description="A worker holds what it will start within this time; 0: strict."
    )
    drain_timeout: float = Field(30.0, ge=0, le=30 * DAY)
    isolation: Literal["sandbox", "process"] = Field(
        "sandbox", description="`process` runs code tasks without a sandbox."
    )
    http_private: bool = Field(
        False, description="HTTP tasks and notifications may reach private and loopback addresses."
    )
    memory_limit_mb: int = Field(512, ge=1, le=1024 * 1024)
    output_limit: int = Field(1_000_000, ge=0, le=1_000_000_000, description="Bytes of output kept of an attempt.")
    result_limit: int = Field(65_536, ge=1, le=1024 * 1024, description="Bytes of a result as JSON; at most a MiB.")

    # notifications
    notify_attempts: int = Field(8, ge=1, le=100)
    notify_delay: float = Field(1.0, gt=0, le=60, description="Before the first repetition; doubles up to a minute.")
    notify_timeout: float = Field(20.0, gt=0, le=HOUR, description="An attempt that takes longer has failed.")

    @field_validator("home", "pipelines_dir", "token_file")
    @classmethod
    def _from_home(cls, path: Path | None) -> Path | None:
        """`~` is somebody's home in every process, whoever reads the path."""
        try:
            return path and path.expanduser()
        except RuntimeError as error:  # of somebody whom this machine does not know
            raise ValueError(str(error)) from error

    @field_validator("clickhouse")
    @classmethod
    def _must_be_readable(cls, value: str) -> str:
        """A password as it is may hold what ends a host or begins a path, so that its rest would be one."""
        if value != "chdb" and not _is_server(value):
            raise ValueError(
                "chdb or http(s)://[user:password@]host[:port] is wanted; percent-encode the password, / as %2F"
            )
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  (the same; ours says what cannot be read)
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  (the signature is pydantic's)
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Add .env and headrace.toml behind the environment."""
        return init_settings, env_settings, _DotEnv(settings_cls, ".env"), _Toml(settings_cls)


def _is_server(url: str) -> bool:
    """Whether this is the address of a ClickHouse server."""
    try:
        parts = urlsplit(url)
        readable = parts.port is None or parts.port > 0
    except ValueError:
        return False
    whole = "#" not in url and "@" not in parts.path + parts.query
    return whole and readable and parts.scheme in {"http", "https"} and bool(parts.hostname)


class _DotEnv(DotEnvSettingsSource):
    """.env, which others may use as well."""

    def _read_env_file(self, file_path: Path) -> Mapping[str, str | None]:
        """Raises SettingsError where it is no text."""
        try:
            return super()._read_env_file(file_path)
        except (OSError, ValueError) as error:
            raise SettingsError(f"{file_path} cannot be read: {error}") from error


NAMES = [PREFIX + field.upper() for field in Settings.model_fields]
"""The settings as the environment has them."""


class _Toml(TomlConfigSettingsSource):
    """headrace.toml, which holds settings only."""

    def _read_file(self, file_path: Path | Traversable) -> dict[str, Any]:
        """Raises SettingsError where it is no TOML, or a key of it is no setting."""
        try:
            found = super()._read_file(file_path)
        except (OSError, ValueError) as error:
            raise SettingsError(f"{file_path} cannot be read: {error}") from error
        for key in found:
            if key not in Settings.model_fields:
                raise SettingsError(
                    f"{file_path}: there is no setting {key!r}{nearest(_bare(key), Settings.model_fields)}"
                )
        return found


def read_settings(**given: Any) -> Settings:
    """The settings from all sources, `given` first. Raises SettingsError."""
    try:
        return Settings(**given)
    except ValidationError as error:
        raise SettingsError("; ".join(_wrong(error))) from error


@contextmanager
def exits_on_wrong_settings() -> Iterator[None]:
    """Let a wrong setting end the process as wrong usage, with a line on standard error."""
    try:
        yield
    except SettingsError as error:
        sys.stderr.write(f"headrace: {error}\n")
        sys.exit(2)


@cache
def settings() -> Settings:
    """The settings of this process, read once. Raises SettingsError."""
    found = read_settings()
    for name in _strays():
        sys.stderr.write(f"headrace: {name} is no setting, and is ignored{nearest(name, NAMES)}\n")
    return found


def _wrong(error: ValidationError) -> Iterator[str]:
    """Each setting that is wrong, and why."""
    for one in error.errors(include_url=False):
        if one["type"] != "default_factory_not_called":  # it follows from one that is wrong
            told = fault(one)
            name = str(told["field"])
            got = "" if name in SECRET else f" (got {told['value']})"
            yield f"the setting {name} ({PREFIX}{name.upper()}): {told['problem']}{got}"


def _strays() -> list[str]:
    """Names of our prefix in the environment and in .env that nobody reads."""
    found = {**_DotEnv(Settings, ".env").env_vars, **EnvSettingsSource(Settings).env_vars}
    ours = {name.upper() for name in found if name.upper().startswith(PREFIX)}
    return sorted(name for name in ours if not _is_read(name))


def _is_read(name: str) -> bool:
    known = name in NAMES or name in NO_SETTINGS
    rest = name.removeprefix(PREFIX)
    return known or rest.startswith(FOR_TESTS) or bool(KUBERNETES.fullmatch(rest))


def _bare(key: str) -> str:
    """A key of the file as it should be: without the prefix of the environment, and small."""
    return key.lower().removeprefix(PREFIX.lower())
