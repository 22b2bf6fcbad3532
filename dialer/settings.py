"""Everything the environment says, read once into one frozen object.

A field's variable is its name in capitals after ``DIALER_`` unless another is given. Values that open
something (passwords, tokens, keys) are kept out of ``repr`` and of error messages, since both end in logs.
"""

import math
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from temporalio.envconfig import ClientConfigProfile, ClientConnectConfig

from dialer.clock import Clock, parse_offset
from dialer.domain.timing import Timing

PREFIX = "DIALER_"
TIMING_PREFIX = "DIALER_TIMING_"


class WrongEnvironment(ValueError):
    """Says which variables are missing or wrong, and why, never what a secret one is."""


def _offset(value: object) -> object:
    return parse_offset(value, datetime.now(UTC)) if isinstance(value, str) else value


def _base_url(value: object) -> object:
    """Without a trailing slash, since paths are appended and signatures are made over the result."""
    if not isinstance(value, str):
        return value
    if not value.startswith(("http://", "https://")):
        raise ValueError("must start with http:// or https://")
    return value.rstrip("/")


def _postgres_url(value: object) -> object:
    if isinstance(value, str) and not value.startswith(("postgresql://", "postgres://")):
        raise ValueError("must start with postgresql://")
    return value


def _address(value: object) -> object:
    if isinstance(value, str):
        host, _, port = value.rpartition(":")
        if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65_536:
            raise ValueError("must be host:port, such as 0.0.0.0:9464")
    return value


def _path(value: object) -> object:
    return Path(value).expanduser() if isinstance(value, str) else value


BaseUrl = Annotated[str, BeforeValidator(_base_url)]


class Settings(BaseSettings):
    """The configuration of one process."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        frozen=True,
        extra="ignore",
        populate_by_name=True,
        hide_input_in_errors=True,
    )

    database_url: Annotated[str, BeforeValidator(_postgres_url)] = Field(repr=False)
    """``postgresql://user:password@host:port/database``, the role that row-level security applies to."""

    public_url: BaseUrl | None = None
    """Where the carrier reaches this installation: callbacks are addressed to it, signatures cover it."""

    temporal_ui_url: BaseUrl | None = None
    """Base of the links into the Temporal Web UI; without it no links are given."""

    twilio_account_sid: str | None = Field(default=None, validation_alias="TWILIO_ACCOUNT_SID")
    twilio_auth_token: str | None = Field(default=None, validation_alias="TWILIO_AUTH_TOKEN", repr=False)
    twilio_api_key_sid: str | None = Field(default=None, validation_alias="TWILIO_API_KEY", repr=False)
    twilio_api_key_secret: str | None = Field(default=None, validation_alias="TWILIO_API_SECRET", repr=False)
    twilio_base_url: BaseUrl | None = Field(default=None, validation_alias="DIALER_CARRIER_URL")
    """Where Twilio's API is served instead of at Twilio: the simulator. Set: no real phone rings."""

    secret_key: str | None = Field(default=None, repr=False)
    """A Fernet key; the secrets of carrier accounts are stored encrypted with it."""

    api_key: str | None = Field(default=None, repr=False)
    """The plain text of the first API key, made sure of at the first start."""

    clock_offset: Annotated[timedelta, BeforeValidator(_offset)] = Field(
        default=timedelta(0), validation_alias="DIALER_CLOCK"
    )
    home: Annotated[Path, BeforeValidator(_path)] = Field(default_factory=lambda: Path("~/.dialer").expanduser())
    metrics_address: Annotated[str, BeforeValidator(_address)] | None = None
    """``host:port`` on which a worker serves its figures to Prometheus; the API has them at ``/metrics``."""

    otlp_endpoint: BaseUrl | None = Field(default=None, validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT")
    """Where traces are sent, by OTLP over HTTP; without it there are none."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    timing: Timing = Timing()
    """Each field can be set in seconds: ``DIALER_TIMING_GRACE_S=5``."""

    @classmethod
    def from_env(cls) -> Self:
        """The settings of this process.

        Raises WrongEnvironment.
        """
        timing = timing_from(os.environ)
        try:
            return cls.model_validate({"timing": timing})
        except ValidationError as error:
            raise WrongEnvironment("; ".join(_problems(error))) from None

    @classmethod
    def or_leave(cls) -> Self:
        """The settings of a program that begins: where there are none, it ends with a line that says what is wrong."""
        try:
            return cls.from_env()
        except WrongEnvironment as error:
            sys.exit(f"wrong environment: {error}")

    @property
    def clock(self) -> Clock:
        return Clock(offset=self.clock_offset)

    @property
    def sqlalchemy_url(self) -> str:
        """The database's address for SQLAlchemy with psycopg 3."""
        return "postgresql+psycopg://" + self.database_url.partition("://")[2]

    @property
    def simulated(self) -> bool:
        """True when calls go to a simulator and no public HTTPS address is needed."""
        return self.twilio_base_url is not None

    @property
    def callback_url(self) -> str | None:
        """Where the carrier can reach us with its reports; None when it cannot, and then nothing is dialed.

        A simulator reaches any address, Twilio only a public one by HTTPS.
        """
        return self.public_url if self.simulated or is_public(self.public_url) else None


def _problems(error: ValidationError) -> Iterator[str]:
    for problem in error.errors(include_input=False, include_url=False):
        name = str(problem["loc"][0])
        variable = name if name.isupper() else PREFIX + name.upper()
        missing = problem["type"] == "missing"
        yield f"{variable} is not set" if missing else f"{variable}: {problem['msg'].removeprefix('Value error, ')}"


def is_public(url: str | None) -> bool:
    """True for an ``https`` address that may be reachable from outside."""
    if url is None:
        return False
    parts = urlsplit(url)
    host = parts.hostname or ""
    inside = ("127.", "10.", "192.168.", "0.", "169.254.")
    return parts.scheme == "https" and "." in host and not host.startswith(inside)


def timing_from(environment: Mapping[str, str]) -> Timing:
    """The delays, with those that ``DIALER_TIMING_*`` overrides (seconds, zero or more).

    Raises WrongEnvironment for a name that is no field, lest a misspelt one be ignored, and for no such number.
    """
    known = {f"{TIMING_PREFIX}{field.name.upper()}": field.name for field in fields(Timing)}
    changed: dict[str, float] = {}
    for variable, text in environment.items():
        whole = variable == TIMING_PREFIX.removesuffix("_")  # which pydantic would read as JSON
        if not (whole or variable.startswith(TIMING_PREFIX)) or text == "":
            continue
        if variable not in known:
            raise WrongEnvironment(f"{variable} is not a delay; known are {', '.join(sorted(known))}")
        try:
            seconds = float(text)
        except ValueError as error:
            raise WrongEnvironment(f"{variable} must be a number of seconds") from error
        if not math.isfinite(seconds) or seconds < 0:
            raise WrongEnvironment(f"{variable} must be a finite number of seconds, zero or more")
        changed[known[variable]] = seconds
    return Timing(**changed)


def temporal_connection() -> ClientConnectConfig:
    """Keyword arguments of ``temporalio.client.Client.connect`` from Temporal's own configuration.

    ``TEMPORAL_ADDRESS``, ``TEMPORAL_NAMESPACE``, ``TEMPORAL_API_KEY``, ``TEMPORAL_TLS_*`` and profiles in its
    configuration file mean what they mean to Temporal's CLI.
    """
    return ClientConfigProfile.load().to_client_connect_config()
