"""Commands on an embedded database without a running server."""

import re

from tests.integration.run.serving import Edge, command, place


def test_an_installation_can_be_set_up_before_the_first_serve() -> None:
    """``edge domain add`` makes database and keys, leaves nothing running, and links work after."""
    with place() as base:
        edge = Edge(base)
        added = command(edge, "domain", "add", "mg.example.com", "--open", "yes")
        assert added.returncode == 0, added.stderr
        assert "making a new database" in added.stderr
        assert not (edge.data / "postgres" / "postmaster.pid").exists()
        listed = command(edge, "domain", "list", "--json")
        assert '"name":"mg.example.com"' in listed.stdout
        minted = command(
            edge, "link", "open", "--domain", "mg.example.com", "--recipient", "a@b.example",
            "--message-id", "m@x",
        )  # fmt: skip
        assert re.fullmatch(r"http://email\.mg\.example\.com:\d+/o/[\w-]+\n", minted.stdout)


def test_a_mistyped_directory_does_not_become_an_installation() -> None:
    """A command that only reads refuses a directory without a database, and makes nothing there."""
    with place() as base:
        edge = Edge(base)
        for arguments in (("events", "search"), ("token", "inspect", "AAAA")):
            done = command(edge, *arguments)
            assert done.returncode == 1
            assert "start the edge once" in done.stderr
            assert not edge.data.exists()
