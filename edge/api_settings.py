"""The settings of the API's limits."""

from pydantic import BaseModel, Field


class ApiSettings(BaseModel):
    """How often a client may be wrong, and how fast a key may ask."""

    api_failures: int = Field(
        20,
        ge=0,
        le=1_000_000,
        description=(
            "Failed authentications per minute and client address, of the API (then 429) and of "
            "SMTP (then 454; counted per login too); 0 = no limit."
        ),
    )
    api_rate_limit: int = Field(
        12_000,
        ge=0,
        le=10_000_000,
        description=(
            "API requests per minute and key, without those of the next two, then 429; 0 = no "
            "limit."
        ),
    )
    api_send_limit: int = Field(
        120_000,
        ge=0,
        le=10_000_000,
        description="Messages handed to the API per minute and key, then 429; 0 = no limit.",
    )
    api_analytics_limit: int = Field(
        500,
        ge=0,
        le=10_000_000,
        description="Requests below /v1/analytics/ per 10 s and key, then 429; 0 = no limit.",
    )
