"""The package stands alone: a stranger's project can take it."""

import ast
import subprocess
import sys

from tests.house.sources import modules, name, tree

NEEDED = {"acme", "cryptography", "josepy", "publicsuffixlist", "requests"}


def imported() -> dict[str, set[str]]:
    """The top packages that each module of the library imports."""
    found: dict[str, set[str]] = {}
    for path in modules("certs"):
        packages = found.setdefault(name(path), set())
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Import):
                packages |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                packages.add((node.module or "").partition(".")[0])
    return found


def test_it_needs_what_its_page_says() -> None:
    """Five packages beside the standard library and itself."""
    everything = set().union(*imported().values())
    assert everything - {"certs"} - sys.stdlib_module_names == NEEDED


def test_answering_challenges_needs_nothing() -> None:
    """A tracking process that answers them loads neither sockets nor the acme library."""
    code = (
        "import sys; before = set(sys.modules); import certs.challenges, certs.errors; "
        "print(sorted(set(sys.modules) - before))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    for heavy in (b"acme", b"requests", b"asyncio", b"cryptography"):
        assert heavy not in loaded
