"""The values that settings have, and how their text is read.

Pure but for :data:`ReadableFile`, which looks whether the file is there.
"""

import os
import re
from enum import StrEnum
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator
from pydantic_settings import NoDecode

from edge.model.capture import Network
from edge.model.errors import CallerError


class Durability(StrEnum):
    """When an open's or click's record is on disk: soon after the answer, or before it."""

    WRITE = "write"
    FSYNC = "fsync"


class Bind(BaseModel, frozen=True):
    """One listening address."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


_BIND = re.compile(r"(?:\[([0-9A-Fa-f:.]*)\]|([^:\[\]]*)):(\d{1,5})")


def parse_bind(text: str) -> Bind:
    """``host:port`` or ``[v6]:port``; port 0 lets the kernel choose. Raises CallerError."""
    match = _BIND.fullmatch(text.strip())
    if match is None or int(match[3]) > 65535:
        raise CallerError(f"{text!r} is not host:port (examples: 127.0.0.1:8080, [::]:8080)")
    return Bind(host=match[1] or match[2] or "0.0.0.0", port=int(match[3]))  # noqa: S104 - documented default of an empty host


def _bind(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return parse_bind(value)
        except CallerError as error:
            raise ValueError(str(error)) from None
    return value


def _binds(value: Any) -> Any:
    parts = value.split(",") if isinstance(value, str) else value
    return tuple(_bind(part) for part in parts if str(part).strip())


def _networks(value: Any) -> Any:
    parts = value.split(",") if isinstance(value, str) else value
    networks = []
    for part in parts:
        text = str(part).strip()
        if text:
            try:
                networks.append(ip_network(text))
            except ValueError as error:
                raise ValueError(f"{error} (example: 10.0.0.0/8,2001:db8::/32)") from None
    return tuple(networks)


def _readable(value: Path) -> Path:
    if not os.access(value, os.R_OK):
        raise ValueError(f"{value} is not a readable file")
    return value


Address = Annotated[Bind, BeforeValidator(_bind)]
"""A setting that is a listening address, written ``host:port``."""

Addresses = Annotated[tuple[Bind, ...], NoDecode, BeforeValidator(_binds)]
"""A setting that is a list of addresses, comma separated."""

Networks = Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_networks)]
"""A setting that is a list of networks, comma separated."""

ReadableFile = Annotated[Path, AfterValidator(_readable)]
"""A setting that names a file which this user can read."""
