"""Every setting, where it comes from, and what is wrong with it.

The only module that reads the environment. A setting is taken from the command line, else from
``EDGE_<NAME>``, else from the TOML file given by ``--config`` (or ``EDGE_CONFIG``), else from its
default. All mistakes are reported together, in one error that names each setting and its mend.
"""

import os
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from edge import crash, service_user
from edge.api_settings import ApiSettings
from edge.certificate_settings import CertificateSettings, mistakes_together
from edge.model.domain import host_name
from edge.model.errors import CallerError, OperatorError
from edge.return_settings import ReturnSettings
from edge.sending.routes import SANDBOX, parse_route
from edge.setting_types import Address, Addresses, Bind, Durability, Networks, ReadableFile
from edge.webhook_settings import WebhookSettings

PREFIX: Final = "EDGE_"


class Settings(ApiSettings, CertificateSettings, WebhookSettings, ReturnSettings, BaseSettings):
    """All settings; the fields' descriptions are the reference in ``docs/settings.md``."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    data_dir: Path = Field(
        Path("data"),
        description="Directory of the spool, the embedded database, snapshots and keys.",
    )
    database_url: str = Field(
        "",
        description=(
            "postgresql:// URL of a PostgreSQL >= 15; empty runs an embedded one in the data "
            "directory."
        ),
    )
    http_bind: Address = Field(
        Bind(host="0.0.0.0", port=8080),  # noqa: S104 - tracking hostnames face the Internet
        description="Tracking hostnames over HTTP, host:port.",
    )
    https_bind: Address = Field(
        Bind(host="0.0.0.0", port=8443),  # noqa: S104 - as above
        description="Tracking hostnames over HTTPS, host:port.",
    )
    control_bind: Address = Field(
        Bind(host="127.0.0.1", port=8025),
        description="API, /healthz, /readyz and /metrics, host:port.",
    )
    panel_bind: Address = Field(
        Bind(host="127.0.0.1", port=8026), description="Control panel in a browser, host:port."
    )
    panel_url: str = Field(
        "", description="The panel's address as browsers have it; default: that of EDGE_PANEL_BIND."
    )
    panel_tls_cert_file: ReadableFile | None = Field(
        None, description="PEM certificate chain of the panel, which then speaks HTTPS only."
    )
    panel_tls_key_file: ReadableFile | None = Field(
        None, description="PEM private key of that certificate of the panel."
    )
    smtp_bind: Address = Field(
        Bind(host="127.0.0.1", port=2525),
        description="SMTP submission (STARTTLS where a certificate is given), host:port.",
    )
    smtps_bind: Address = Field(
        Bind(host="127.0.0.1", port=2465),
        description=(
            "SMTP submission over TLS from the first byte, host:port; opens when a certificate is "
            "given."
        ),
    )
    smtp_networks: Networks = Field(
        (), description="Networks (comma separated) that may submit over SMTP without AUTH."
    )
    smtp_tls_cert_file: ReadableFile | None = Field(
        None,
        description="PEM certificate chain of SMTP submission; default: EDGE_TLS_CERT_FILE.",
    )
    smtp_tls_key_file: ReadableFile | None = Field(
        None, description="PEM private key of that certificate; default: EDGE_TLS_KEY_FILE."
    )
    tls_cert_file: ReadableFile | None = Field(
        None,
        description=(
            "PEM certificate chain for names that have no file of their own in the data "
            "directory's certificates, and for clients without SNI."
        ),
    )
    tls_key_file: ReadableFile | None = Field(
        None, description="PEM private key of that certificate."
    )
    control_tls_cert_file: ReadableFile | None = Field(
        None,
        description="PEM certificate chain of the control port, which then speaks HTTPS only.",
    )
    control_tls_key_file: ReadableFile | None = Field(
        None, description="PEM private key of that certificate of the control port."
    )
    public_host: str = Field(
        "", description="Host name that customers' tracking CNAMEs point at; default: localhost."
    )
    public_url: str = Field(
        "",
        description="Base of absolute API URLs; default: scheme and address of the control port.",
    )
    public_http_port: int = Field(
        0, ge=0, le=65535, description="Port in minted http URLs; 0 = the port of EDGE_HTTP_BIND."
    )
    public_https_port: int = Field(
        0, ge=0, le=65535, description="Port in minted https URLs; 0 = the port of EDGE_HTTPS_BIND."
    )
    workers: int = Field(
        0, ge=0, le=256, description="Tracking processes; 0 = one per core of this machine."
    )
    user: str = Field(
        "",
        description=(
            "User that every child runs as when started as root; default: edge, else nobody."
        ),
    )
    master_key_file: Path | None = Field(
        None,
        description=(
            "File with the key that encrypts keys at rest; default: master.key in the data "
            "directory."
        ),
    )
    durability: Durability = Field(
        Durability.WRITE,
        description=(
            "write: a record reaches the disk at most 50 ms after its answer; fsync: before it."
        ),
    )
    trusted_proxies: Networks = Field(
        (),
        description=(
            "Networks (comma separated) whose X-Forwarded-For and PROXY headers are believed."
        ),
    )
    settle: float = Field(
        3.0,
        ge=0,
        le=60,
        description="Seconds a record waits so that its label can see what came after it; 0 = off.",
    )
    repeat_limit: int = Field(
        600,
        ge=0,
        le=1_000_000,
        description=(
            "Requests per token and minute (each worker) recorded one by one; more are counted "
            "together; 0 = off."
        ),
    )
    spool_max_bytes: int = Field(
        10 * 2**30,
        ge=2**20,
        description=(
            "Size of the spool (bytes, this machine) at which opens and clicks are answered but no "
            "longer recorded."
        ),
    )
    max_connections: int = Field(
        10_000, ge=10, description="Open connections per tracking process; more are closed at once."
    )
    geo_db: Path | None = Field(
        None, description="GeoIP2-schema MMDB file; default: geo.mmdb in the data directory."
    )
    maxmind_license_key: str = Field(
        "", repr=False, description="MaxMind licence key for `edge geo update --maxmind`."
    )
    maxmind_account_id: str = Field("", description="MaxMind account id for the same.")
    gmail_image_proxy: str = Field(
        "human",
        pattern="^(human|bot)$",
        description=(
            "What an open through Gmail's image proxy counts as: human, or bot (label gmail)."
        ),
    )
    route: str = Field(
        SANDBOX,
        repr=False,
        description=(
            "Where mail of domains without a route of their own goes: sandbox (kept in the outbox, "
            "not sent), mx, smtp://user:pass@host:port or smtps://..."
        ),
    )
    smtp_name: str = Field(
        "",
        description=(
            "Name that this machine gives in EHLO and Received; default: EDGE_PUBLIC_HOST, else "
            "the machine's own."
        ),
    )
    smtp_ca_file: ReadableFile | None = Field(
        None,
        description=(
            "PEM file with the authorities that mail servers' certificates are checked against; "
            "default: the system's."
        ),
    )
    resolvers: Addresses = Field(
        (), description="DNS resolvers, host:port, comma separated; default: the system's."
    )
    deliveries_at_once: int = Field(
        100, ge=2, le=2_000, description="Copies of messages that are being sent at a time."
    )
    queue_limit: int = Field(
        1_000_000,
        ge=1,
        le=100_000_000,
        description="Copies that may wait to be sent; then new messages are refused for now.",
    )
    tags_per_domain: int = Field(
        20_000, ge=0, le=1_000_000, description="Different tags of a domain; more are dropped."
    )
    message_days: int = Field(
        7, ge=1, le=365, description="Days that stored messages and the outbox are kept."
    )
    facts_days: int = Field(90, ge=1, le=3650, description="Days that message facts are kept.")
    log_level: str = Field(
        "info", pattern="^(debug|info|warning|error)$", description="Least severe log line written."
    )
    crash_at: str = Field(
        "",
        description=(
            "For tests: name of the crash point at which a child kills itself (name or name:count)."
        ),
    )

    @field_validator("route")
    @classmethod
    def _route(cls, value: str) -> str:
        try:
            if value != SANDBOX:
                parse_route(value)
        except CallerError as error:
            raise ValueError(str(error)) from None
        return value

    @field_validator("database_url")
    @classmethod
    def _database_url(cls, value: str) -> str:
        if value and urlsplit(value).scheme not in {"postgresql", "postgres"}:
            raise ValueError(
                "must start with postgresql:// (or be empty for the embedded database)"
            )
        return value

    @field_validator("public_host")
    @classmethod
    def _public_host(cls, value: str) -> str:
        if not value or value == "localhost":
            return value
        try:
            return host_name(value)
        except CallerError as error:
            raise ValueError(str(error)) from None

    @field_validator("public_url", "panel_url")
    @classmethod
    def _public_url(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in {"http", "https"} or not parts.hostname):
            raise ValueError("must be an http:// or https:// URL with a host")
        return value.rstrip("/")

    @field_validator("crash_at")
    @classmethod
    def _crash_point(cls, value: str) -> str:
        crash.check(value)
        return value

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: Any, *_: Any, **__: Any
    ) -> tuple[Any, ...]:
        """Only what :func:`load` hands in: it reads the environment and the file itself."""
        return (init_settings,)

    @property
    def worker_count(self) -> int:
        """Tracking processes to run."""
        return self.workers or os.cpu_count() or 1

    @property
    def master_key_path(self) -> Path:
        """Where the master key is."""
        return self.master_key_file or self.data_dir / "master.key"

    @property
    def geo_path(self) -> Path:
        """Where the geolocation database is, if there is one."""
        return self.geo_db or self.data_dir / "geo.mmdb"

    @property
    def spool_dir(self) -> Path:
        """Where the segments are."""
        return self.data_dir / "spool"

    @property
    def http_port(self) -> int:
        """Port in minted http URLs."""
        return self.public_http_port or self.http_bind.port

    @property
    def https_port(self) -> int:
        """Port in minted https URLs."""
        return self.public_https_port or self.https_bind.port


def _from_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise OperatorError(f"--config {path}: there is no such file") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise OperatorError(f"--config {path}: {error}") from None


def load(config: Path | None = None, **overrides: Any) -> Settings:
    """Read all settings; ``overrides`` that are not None win over everything.

    Raises :class:`~edge.model.errors.OperatorError` that lists every mistake at once, unknown
    ``EDGE_`` variables and unknown keys of the file among them.
    """
    known = Settings.model_fields
    mistakes: list[str] = []
    if config is None and os.environ.get(f"{PREFIX}CONFIG"):
        config = Path(os.environ[f"{PREFIX}CONFIG"])
    values = _from_file(config) if config else {}
    for key in sorted(values.keys() - known.keys()):
        mistakes.append(f"{config}: {key} is not a setting{_similar(key)}")
        del values[key]
    for name in sorted(os.environ):
        field = name.removeprefix(PREFIX).lower()
        if not name.startswith(PREFIX) or field == "config":
            continue
        if field in known:
            values[field] = os.environ[name]
        else:
            mistakes.append(f"{name} is not a setting{_similar(field)}")
    values |= {key: value for key, value in overrides.items() if value is not None}
    for pair in ("tls", "control_tls", "panel_tls", "smtp_tls"):
        if (f"{pair}_cert_file" in values) != (f"{pair}_key_file" in values):
            name = f"{PREFIX}{pair.upper()}"
            mistakes.append(f"{name}_CERT_FILE and {name}_KEY_FILE must be given together")
    mistakes += mistakes_together(values)
    settings = None
    try:
        settings = Settings(**values)
    except ValidationError as error:
        for problem in error.errors():
            name = ".".join(str(part) for part in problem["loc"][:1])
            label = f"{PREFIX}{name.upper()}" if name else "settings"
            mistakes.append(f"{label}: {problem['msg'].removeprefix('Value error, ')}")
    if mistakes or settings is None:
        raise OperatorError("these settings are wrong:\n  " + "\n  ".join(mistakes))
    if "data_dir" not in values:
        place = service_user.default_data_dir(settings.user, settings.data_dir)
        settings = settings.model_copy(update={"data_dir": place})
        settings.model_fields_set.discard("data_dir")  # nobody chose it; a start says where it is
    return settings


def share_metrics(directory: Path) -> None:
    """Tell the metrics library where the processes of this machine put their numbers together."""
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(directory)


def _similar(field: str) -> str:
    close = get_close_matches(field, Settings.model_fields, n=1)
    return f"; did you mean {PREFIX}{close[0].upper()}?" if close else ""
