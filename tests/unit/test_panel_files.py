"""Files that the panel serves: vendored ones are what they say, templates are sound."""

import hashlib
import re
from pathlib import Path

from edge.panel import rendering

VENDOR = Path(rendering.__file__).parent / "static" / "vendor"


def test_vendored_files_are_those_of_the_table_with_their_licences() -> None:
    """Nobody edits them, and none is there without its licence."""
    table = (VENDOR / "README.md").read_text("utf-8")
    told = dict(re.findall(r"^\| `([\w.]+)` \|.*`([0-9a-f]{64})` \|$", table, re.MULTILINE))
    files = {path.name: path for path in VENDOR.iterdir() if path.suffix in {".js", ".css"}}
    assert set(told) == set(files)
    for name, digest in told.items():
        assert hashlib.sha256(files[name].read_bytes()).hexdigest() == digest, name
        assert (VENDOR / f"{name.partition('.')[0]}.LICENSE").stat().st_size > 100


def test_every_template_compiles_and_holds_nothing_inline() -> None:
    """No style, no handler, no script but files, no address outside."""
    rendering.compile_all()
    for path in (rendering.HERE / "templates").glob("*.html"):
        text = path.read_text("utf-8")
        assert not re.search(r"\sstyle=|\son[a-z]+=|<style|<script(?! src=)", text), path.name
        assert "|safe" not in text.replace(" ", ""), path.name
        outside = re.findall(r'(?:src|href|action)="https?:', text)
        assert outside == [], path.name
        assert text.count('method="post"') == text.count("parts.token(csrf)"), path.name
