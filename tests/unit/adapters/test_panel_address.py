"""Under which names the panel answers, and what its address is."""

import pytest

from edge.adapters import first_run
from edge.adapters.panel import hosts_of, is_secure
from edge.model.errors import OperatorError
from edge.settings import load


def test_loopback_names_are_answered_with_the_ports_own_number() -> None:
    """No other name is, and none without its port: a rebound name has its own."""
    ours = hosts_of(load(panel_bind="127.0.0.1:8026"))
    for host in ("localhost:8026", "127.0.0.1:8026", "[::1]:8026"):
        assert ours(host)
    for host in ("", "localhost", "127.0.0.1", "localhost:80", "evil.example:8026", "x.localhost"):
        assert not ours(host)


def test_the_bound_address_and_the_public_one_are_answered() -> None:
    """An address by its number; a name only where EDGE_PANEL_URL says it."""
    ours = hosts_of(load(panel_bind="192.0.2.7:9000", panel_url="https://Panel.example.com/"))
    assert ours("192.0.2.7:9000")
    assert ours("panel.example.com")
    assert not ours("panel.example.com:9000")
    assert hosts_of(load(panel_bind="[::]:9000"))("[::1]:9000")


def test_the_address_that_is_printed() -> None:
    """EDGE_PANEL_URL as it is; else loopback for an address that means all of them."""
    assert first_run.panel_url(load(panel_bind="0.0.0.0:9000")) == "http://127.0.0.1:9000"
    assert first_run.panel_url(load(panel_url="https://p.example/")) == "https://p.example"
    assert is_secure(load(panel_url="https://p.example"))
    assert not is_secure(load())
    with pytest.raises(OperatorError, match="EDGE_PANEL_URL"):
        load(panel_url="panel.example.com")
