"""The project's own files, as its rules are checked on them."""

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]


@cache
def files() -> tuple[Path, ...]:
    """Every file that is tracked by git or would be: ignored ones are no part of the project.

    Without git (a source archive) every file counts but hidden directories and data.
    """
    listing = subprocess.run(
        ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listing.returncode == 0:
        found = [ROOT / name for name in listing.stdout.decode().split("\0") if name]
    else:
        found = [path for path in ROOT.rglob("*") if not _beside(path.relative_to(ROOT))]
    return tuple(sorted(path for path in found if path.is_file()))


def _beside(path: Path) -> bool:
    first = path.parts[0]
    return first == "data" or (first.startswith(".") and first not in {".ci", ".dockerignore"})


def modules(*packages: str) -> Iterator[Path]:
    """Python files of the named top directories."""
    for path in files():
        if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in packages:
            yield path


@cache
def tree(path: Path) -> ast.Module:
    """A module, parsed."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def name(path: Path) -> str:
    """A path as messages show it."""
    return str(path.relative_to(ROOT))


def text(relative: str) -> str:
    """The text of one file of the project."""
    return (ROOT / relative).read_text(encoding="utf-8")
