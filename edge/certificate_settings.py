"""The settings of automatic certificates, apart because only together they are right or wrong.

Certificates are off while ``EDGE_ACME_DIRECTORY`` is empty. Pure but for looking whether the file
with the authority's roots is there.
"""

import binascii
import shlex
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, field_validator

from edge.setting_types import ReadableFile

LETS_ENCRYPT: Final = "https://acme-v02.api.letsencrypt.org/directory"
LETS_ENCRYPT_STAGING: Final = "https://acme-staging-v02.api.letsencrypt.org/directory"


class CertificateSettings(BaseModel):
    """What orders certificates for tracking hosts, and where."""

    acme_directory: str = Field(
        "",
        description=(
            "https URL of the certificate authority's ACME directory "
            "(https://acme-v02.api.letsencrypt.org/directory is Let's Encrypt); empty: no "
            "certificates are ordered."
        ),
    )
    acme_agree_tos: bool = Field(
        False, description="yes: you read the terms of that authority and agree to them."
    )
    acme_email: str = Field(
        "", description="Address that the authority may write to about the account; may be empty."
    )
    acme_ca_file: ReadableFile | None = Field(
        None,
        description=(
            "PEM file with the roots by which the authority's own https is trusted; default: the "
            "system's."
        ),
    )
    acme_http_port: int = Field(
        80,
        ge=1,
        le=65535,
        description=(
            "Port on which the outside reaches tracking hosts over HTTP, for probes before a "
            "certificate is ordered and by `edge domain check`; authorities know only 80."
        ),
    )
    acme_profile: str = Field(
        "", description="Certificate profile of the authority's; empty: its default."
    )
    acme_staging_directory: str = Field(
        "",
        description=(
            "Directory where a host that failed is tried first, so that it burns none of the real "
            "limits; default: Let's Encrypt's staging for Let's Encrypt, else none."
        ),
    )
    acme_eab_kid: str = Field(
        "", description="Key id of an account outside that the authority asks for (EAB)."
    )
    acme_eab_hmac_key: str = Field(
        "", repr=False, description="HMAC key of that account outside, base64url."
    )
    alarm_command: str = Field(
        "",
        description=(
            "Program (and its arguments) that is run, without a shell, when a certificate is about "
            "to end or the authority refuses us; it reads the alarm as JSON from its stdin."
        ),
    )

    @field_validator("acme_directory", "acme_staging_directory")
    @classmethod
    def _directory(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme != "https" or not parts.hostname):
            raise ValueError("must be an https:// URL")
        return value

    @field_validator("acme_email")
    @classmethod
    def _email(cls, value: str) -> str:
        name, _, host = value.rpartition("@")
        if value and (not name or not host or any(c.isspace() or c in ",?" for c in value)):
            raise ValueError("must be one address (name@example.com)")
        return value

    @field_validator("alarm_command")
    @classmethod
    def _command(cls, value: str) -> str:
        try:
            shlex.split(value)
        except ValueError as error:
            raise ValueError(f"cannot be read: {error}") from None
        return value

    @property
    def alarm_arguments(self) -> list[str]:
        """The alarm program and its arguments; empty for none."""
        return shlex.split(self.alarm_command)

    @property
    def staging_directory(self) -> str:
        """Where a failed host is tried first; empty for nowhere."""
        if self.acme_staging_directory or self.acme_directory != LETS_ENCRYPT:
            return self.acme_staging_directory
        return LETS_ENCRYPT_STAGING


_TRUE: Final = frozenset({"1", "true", "t", "yes", "y", "on"})


def mistakes_together(values: Mapping[str, Any]) -> list[str]:
    """What is wrong with these settings (as they were given) only because of one another."""
    found = []
    if bool(values.get("acme_eab_kid")) != bool(values.get("acme_eab_hmac_key")):
        found.append("EDGE_ACME_EAB_KID and EDGE_ACME_EAB_HMAC_KEY must be given together")
    key = str(values.get("acme_eab_hmac_key") or "")
    try:
        urlsafe_b64decode(key + "=" * (-len(key) % 4))
    except (binascii.Error, ValueError):
        found.append("EDGE_ACME_EAB_HMAC_KEY: is not base64url")
    directory = values.get("acme_directory")
    if not directory:
        if values.get("acme_staging_directory"):
            found.append("EDGE_ACME_STAGING_DIRECTORY needs EDGE_ACME_DIRECTORY beside it")
        return found
    if str(values.get("acme_agree_tos", "")).lower() not in _TRUE:
        found.append(
            "EDGE_ACME_AGREE_TOS: must be yes, since EDGE_ACME_DIRECTORY is set: read the terms "
            "that the directory names"
        )
    if not values.get("public_host"):
        found.append(
            "EDGE_PUBLIC_HOST: must be the name that tracking CNAMEs point at, since "
            "EDGE_ACME_DIRECTORY is set"
        )
    if values.get("acme_staging_directory") == directory:
        found.append("EDGE_ACME_STAGING_DIRECTORY: is EDGE_ACME_DIRECTORY itself")
    return found
