"""Every setting, once. Sources, the first wins: command line, HEADRACE_* environment, .env, headrace.toml, defaults."""

from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)


class Settings(BaseSettings):
    """Durations are seconds unless a name says otherwise."""

    model_config = SettingsConfigDict(
        env_prefix="HEADRACE_", env_file=".env", toml_file="headrace.toml", extra="ignore", frozen=True
    )

    # where things are
    home: Path = Field(
        Path("~/.headrace").expanduser(), description="Data of this machine: Kafka, RocksDB, ClickHouse."
    )
    pipelines_dir: Path = Field(Path("pipelines/examples"), description="Pipeline files: every *.py in it is loaded.")
    kafka: str = Field("127.0.0.1:9092", description="Bootstrap servers.")
    namespace: str = Field(
        "headrace", pattern=r"^[a-z0-9-]{1,60}$", description="First part of all topic and group names."
    )
    edge_host: str = "127.0.0.1"
    edge_port: int = 8090
    edge_url: str = Field(
        default_factory=lambda known: f"http://{known['edge_host']}:{known['edge_port']}",
        description="Where the HTTP API is, for clients and workers; none: at the host and port above.",
    )
    dashboard_host: str = "127.0.0.1"
    dashboard_port: int = 8091
    clickhouse: str = Field("chdb", description="chdb (embedded, in the edge) or the URL of a ClickHouse server.")
    token_file: Path | None = Field(None, description="The API's token; none: api-token in `home`.")

    # how wide
    task_partitions: int = Field(2, ge=1, le=4096)
    ready_partitions: int = Field(1, ge=1, le=256)
    submit_partitions: int = Field(2, ge=1, le=4096)
    event_partitions: int = Field(1, ge=1, le=256)
    lanes: int = Field(32, ge=1, le=10_000)
    replication: int = Field(1, ge=1, le=7)
    standbys: int = Field(1, ge=0, le=3, description="Warm copies of each table on other schedulers.")

    # time
    session_timeout: float = Field(1.5, description="A scheduler silent for so long has its partitions moved.")
    lease: float = Field(5.0, description="A worker silent for so long has lost what it ran; 2 or more.")
    keep_finished: float = Field(3600.0, description="How long record and value of what has ended are kept.")
    remember_done: float = Field(
        604_800.0,
        ge=0,
        description="For how much longer only how it ended is known: it is not executed again.",
    )
    history_days: int = Field(730, description="How long ClickHouse keeps history.")

    # workers
    worker_name: str = ""
    pool: str = "default"
    slots: int = Field(8, ge=1, le=10_000)
    lookahead: float = Field(
        0.02, ge=0, le=10, description="A worker holds what it will start within this time; 0: strict."
    )
    drain_timeout: float = 30.0
    isolation: Literal["sandbox", "process"] = Field(
        "sandbox", description="`process` runs code tasks without a sandbox."
    )
    http_private: bool = Field(
        False, description="HTTP tasks and notifications may reach private and loopback addresses."
    )
    memory_limit_mb: int = 512
    output_limit: int = Field(1_000_000, description="Bytes of output kept of an attempt.")
    result_limit: int = Field(65_536, description="Bytes of a result as JSON.")

    # notifications
    notify_attempts: int = Field(8, ge=1, le=100)
    notify_delay: float = Field(1.0, description="Before the first repetition; doubles up to a minute.")
    notify_timeout: float = Field(20.0, gt=0, description="An attempt that takes longer has failed.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  (the signature is pydantic's)
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Add headrace.toml behind the environment."""
        return init_settings, env_settings, dotenv_settings, TomlConfigSettingsSource(settings_cls)


@cache
def settings() -> Settings:
    """The settings of this process, read once."""
    return Settings()
