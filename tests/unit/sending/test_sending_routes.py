"""How routes are spelled."""

import pytest

from edge.model.errors import CallerError
from edge.sending.routes import DirectToMx, Route, Smarthost, Tls, parse_route


@pytest.mark.parametrize(
    ("text", "route"),
    [
        ("mx", DirectToMx(Tls.OPPORTUNISTIC)),
        ("mx?tls=required", DirectToMx(Tls.REQUIRED)),
        ("smtp://relay.example", Smarthost("relay.example", 587, Tls.OPPORTUNISTIC)),
        ("smtp://[::1]:25?tls=off", Smarthost("::1", 25, Tls.OFF)),
        ("smtps://relay.example", Smarthost("relay.example", 465, Tls.REQUIRED, implicit=True)),
        (
            "smtp://a%40b:p%3A%2F@relay.example:2525",
            Smarthost("relay.example", 2525, Tls.REQUIRED, user="a@b", password="p:/"),
        ),
        (
            "smtp://a:b@localhost:2525?tls=off",
            Smarthost("localhost", 2525, Tls.OFF, user="a", password="b"),
        ),
    ],
)
def test_routes(text: str, route: Route) -> None:
    """Ports and TLS have defaults that keep a password safe."""
    assert parse_route(text) == route


@pytest.mark.parametrize(
    "text",
    [
        "", "relay.example", "http://relay.example", "smtp://", "smtp://h:99999", "smtp://h:0",
        "smtp://h/path", "smtp://h?tls=maybe", "smtp://h?x=1", "smtp://hunter2@h",
        "smtp://u:hunter2@h?tls=opportunistic", "smtps://h?tls=off", "smtp://u:hunter2@h?tls=off",
        "smtp://h?tls=off&tls=off",
    ],
)  # fmt: skip
def test_what_is_no_route(text: str) -> None:
    """The error says what is wrong and never repeats the password."""
    with pytest.raises(CallerError) as caught:
        parse_route(text)
    assert "hunter2" not in str(caught.value)


def test_a_route_in_a_log_has_no_password() -> None:
    """repr is what ends up in logs."""
    route = parse_route("smtps://user:hunter2@relay.example")
    assert repr(route) == "smtps://user:***@relay.example:465?tls=required"
