"""Modules and functions stay small, and their names say what they are about."""

import ast
import io
import re
import tokenize

from tests.house.sources import ROOT, modules, name, tree

MAX_MODULE = 400
MAX_FUNCTION = 60
VAGUE = re.compile(r"(^|_)(util|utils|helper|helpers|common|misc|manager|stuff)(_|$)")
TERMS = {"certs/manager.py"}  # what every ACME library calls this part


def test_no_module_is_longer_than_400_lines() -> None:
    """A module that outgrows 400 lines has a second responsibility."""
    long = {
        name(path): lines
        for path in modules("edge", "certs", "tests", "benchmarks")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > MAX_MODULE
    }
    assert not long


def test_no_function_is_longer_than_60_lines() -> None:
    """A function fits on a screen, its signature and docstring included."""
    long = {}
    for path in modules("edge", "certs"):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > MAX_FUNCTION:
                    long[f"{name(path)}:{node.lineno} {node.name}"] = lines
    assert not long


def test_names_are_never_vague() -> None:
    """``utils`` and ``helpers`` become a country; a module is named after its one subject."""
    vague = [
        name(path)
        for path in modules("edge", "certs", "tests", "benchmarks")
        if name(path) not in TERMS
        and any(VAGUE.search(part) for part in (*path.relative_to(ROOT).parent.parts, path.stem))
    ]
    assert not vague


def test_packages_have_no_facade() -> None:
    """An ``__init__.py`` holds a docstring and nothing else: facades cause import cycles."""
    facades = []
    for path in modules("edge", "certs"):
        if path.name == "__init__.py":
            body = tree(path).body
            docstring = len(body) == 1 and ast.get_docstring(tree(path)) is not None
            if not docstring:
                facades.append(name(path))
    assert not facades


def test_every_disabled_rule_says_why() -> None:
    """``noqa: CODE - reason`` and ``type: ignore[code]  # reason``: a reason on the same line."""
    silent: list[str] = []
    for path in modules("edge", "certs", "tests", "benchmarks"):
        source = path.read_text(encoding="utf-8")
        silent += [
            f"{name(path)}:{token.start[0]} {token.string}"
            for token in tokenize.generate_tokens(io.StringIO(source).readline)
            if token.type == tokenize.COMMENT and not _reasoned(token.string)
        ]
    assert not silent


def _reasoned(comment: str) -> bool:
    if re.match(r"#\s*noqa", comment):
        return re.match(r"#\s*noqa: [A-Z]+\d+(, ?[A-Z]+\d+)* +(- |# )\S", comment) is not None
    if re.match(r"#\s*type:\s*ignore", comment):
        return re.match(r"# type: ignore\[[a-z, -]+\]  # \S", comment) is not None
    return True


def test_the_reason_check_can_fail() -> None:
    """The check above tells a reason from none."""
    assert not _reasoned("# noqa: E501")
    assert not _reasoned("# noqa")
    assert _reasoned("# noqa: S104 - documented default")
    assert not _reasoned("# type: ignore[arg-type]")
    assert _reasoned("# type: ignore[arg-type]  # the library's stub is wrong here")
