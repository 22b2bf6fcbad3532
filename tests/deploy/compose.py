"""Compose files as far as ours use them: what is not named here is a mistake or wants a look.

https://github.com/compose-spec/compose-spec/blob/main/spec.md
"""

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

Seconds = Annotated[str, Field(pattern=r"^[0-9]+s$")]
Port = Annotated[str, Field(pattern=r"^127\.0\.0\.1:[0-9]+:[0-9]+$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Health(_Strict):
    test: list[str]
    interval: Seconds
    timeout: Seconds
    retries: int
    start_period: Seconds | None = None


class Condition(_Strict):
    condition: Literal["service_started", "service_healthy", "service_completed_successfully"]


class Service(_Strict):
    """``ports`` are bound to this machine only."""

    image: str
    build: str | None = None
    restart: Literal["unless-stopped", "on-failure"] | None = None
    init: bool = False
    read_only: bool = False
    tmpfs: list[str] = []
    cap_drop: list[str] = []
    security_opt: list[str] = []
    profiles: list[str] = []
    depends_on: dict[str, Condition] | list[str] = {}
    environment: dict[str, str] = {}
    command: list[str] = []
    volumes: list[str] = []
    ports: list[Port] = []
    healthcheck: Health | None = None
    stop_grace_period: Seconds | None = None


class Compose(_Strict):
    name: str
    services: dict[str, Service]
    volumes: dict[str, None]


def read_compose(path: Path) -> Compose:
    """Raises pydantic.ValidationError for what is not in the format above."""
    document: dict[str, Any] = yaml.safe_load(path.read_text())
    return Compose.model_validate({key: part for key, part in document.items() if not key.startswith("x-")})
