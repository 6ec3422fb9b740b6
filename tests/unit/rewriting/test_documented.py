"""What docs/rewriting.md says is so."""

import re
from pathlib import Path

from edge.rewriting.report import Caution, Reason

PAGE = (Path(__file__).parents[3] / "docs" / "rewriting.md").read_text(encoding="utf-8")


def test_every_code_is_explained() -> None:
    """Programs depend on them."""
    listed = set(re.findall(r"^\| `([a-z0-9-]+)` \|", PAGE, re.MULTILINE))
    assert listed == {*map(str, Reason), *map(str, Caution)}


def test_the_example_works() -> None:
    """As it stands on the page."""
    code = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert code is not None
    names: dict[str, object] = {}
    exec(compile(code[1], "docs/rewriting.md", "exec"), names)
    sent = names["sent"]
    assert isinstance(sent, bytes)
    assert b"Hello Bob" in sent
    assert sent.count(b"https://email.example.com/") == 2
