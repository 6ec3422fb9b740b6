"""The settings of webhooks."""

from typing import Final

from pydantic import BaseModel, Field

from edge.setting_types import Networks, ReadableFile

LONGEST_ATTEMPT: Final = 60
"""Seconds; a lease is longer."""


class WebhookSettings(BaseModel):
    """Which endpoints may be called, how many at a time, and what is kept."""

    webhook_allow_networks: Networks = Field(
        (),
        description=(
            "Private networks (comma separated) whose addresses webhooks may call; otherwise only "
            "public addresses are called."
        ),
    )
    webhook_ca_file: ReadableFile | None = Field(
        None,
        description=(
            "PEM file with authorities that webhook endpoints' certificates may be from, beside "
            "the system's."
        ),
    )
    webhook_timeout: float = Field(
        15.0,
        ge=1,
        le=LONGEST_ATTEMPT,
        description="Seconds that one call of a webhook may take, connecting included (at most 5).",
    )
    webhooks_at_once: int = Field(
        500, ge=2, le=10_000, description="Calls of webhooks that are under way at a time."
    )
    webhooks_per_endpoint: int = Field(
        20, ge=1, le=1_000, description="Of these at most to one endpoint."
    )
    webhook_queue_limit: int = Field(
        1_000_000,
        ge=100,
        le=100_000_000,
        description=(
            "Events that may wait for one endpoint; further ones are not queued for it (they can "
            "be replayed)."
        ),
    )
    webhook_days: int = Field(
        7,
        ge=1,
        le=90,
        description=(
            "Days that the log of webhooks is kept; of deliveries that were taken at most one."
        ),
    )
    webhook_key_grace: int = Field(
        24,
        ge=0,
        le=720,
        description=(
            "Hours for which a replaced signing key goes on signing, in a header of its own."
        ),
    )
