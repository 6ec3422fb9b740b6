"""Settings of what comes back; :mod:`edge.settings` takes them in."""

from pydantic import BaseModel, Field

from edge.setting_types import Address, Bind


class ReturnSettings(BaseModel):
    """The fields' descriptions are the reference in ``docs/settings.md``."""

    returns_bind: Address = Field(
        Bind(host="127.0.0.1", port=2526),
        description=(
            "SMTP for bounces, complaints and unsubscribes by mail, host:port; the MX of "
            "bounces.<domain> has to lead here."
        ),
    )
    returns_rate: int = Field(
        600,
        ge=0,
        le=1_000_000,
        description="Mails per minute and network that may come back over SMTP; 0 = no limit.",
    )
    soft_run: int = Field(
        5,
        ge=0,
        le=1_000,
        description=(
            "Soft bounces of an address within 30 days, on at least 3 of them, that put it on the "
            "bounce list; 0 = never."
        ),
    )
