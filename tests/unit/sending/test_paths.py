"""The arguments of MAIL and RCPT."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.sending.paths import LONGEST, NotAPath, Path, parse


@pytest.mark.parametrize(
    ("argument", "path"),
    [
        ("FROM:<a@b.example>", Path("a@b.example", {})),
        (
            "from: <a@b.example>  size=10  BODY=8bitmime ",
            Path("a@b.example", {"SIZE": "10", "BODY": "8bitmime"}),
        ),
        ("FROM:a@b.example SMTPUTF8", Path("a@b.example", {"SMTPUTF8": ""})),
        ("FROM:<>", Path("", {})),
        ("FROM:<> AUTH=<>", Path("", {"AUTH": "<>"})),
        ("FROM:<@x.example,@y.example:a@b.example>", Path("a@b.example", {})),
        ("FROM:<a..b.@b.example>", Path("a..b.@b.example", {})),
        ('FROM:<"a b\\"@>c"@b.example>', Path('"a b\\"@>c"@b.example', {})),
        ("FROM:<a@[192.0.2.1]>", Path("a@[192.0.2.1]", {})),
        ("FROM:<a@[IPv6:2001:db8::1]>", Path("a@[IPv6:2001:db8::1]", {})),
        ("FROM:<ä@bücher.example>", Path("ä@bücher.example", {})),
        ("FROM:<a@b.example.>", Path("a@b.example", {})),
        ("FROM:<b+=x#y/z@b_c.example>", Path("b+=x#y/z@b_c.example", {})),
    ],
)
def test_paths(argument: str, path: Path) -> None:
    """What the world writes is understood."""
    assert parse(argument, "FROM") == path


@pytest.mark.parametrize(
    "argument",
    [
        "",
        "TO:<a@b.example>",
        "FROM <a@b.example>",
        "FROM:",
        "FROM:<a@b.example",
        "FROM:a@b.example>",
        "FROM:<a>",
        "FROM:<@b.example>",
        "FROM:<a@>",
        "FROM:<a@b@c.example>",
        "FROM:<a@b .example>",
        "FROM:<a@b.example><c@d.example>",
        "FROM:<a@b.example>SIZE=1",
        "FROM:<a@b.example> =1",
        "FROM:<a@b.example> SIZE=",
        "FROM:<a@b.example> A=1 a=2",
        "FROM:<a\r\n@b.example>",
        "FROM:<a\x00@b.example>",
        "FROM:<a\x85@b.example>",
        'FROM:<"a\n"@b.example>',
        "FROM:<a\u2028b@c.example>",
        "FROM:<a\u202eb@c.example>",
        "FROM:<" + "a" * LONGEST + "@b.example>",
        "FROM:<" + "ä" * (LONGEST // 2) + "@b.example>",
    ],
)
def test_what_is_no_path(argument: str) -> None:
    """Neither two addresses, nor a control character, nor a parameter without a name."""
    with pytest.raises(NotAPath):
        parse(argument, "FROM")


@given(st.text(max_size=60))
def test_any_text_is_a_path_or_not(text: str) -> None:
    """Nothing else is ever raised, and no address has a line break or a bracket outside quotes."""
    try:
        path = parse(f"TO:<{text}>", "TO")
    except NotAPath:
        return
    assert path.address.isprintable()
    assert '"' in path.address or not set(path.address) & set("<> ")


def test_work_is_linear() -> None:
    """An argument made to be read again and again is read once."""
    for text in (
        "a" * 2000,
        "a.@" * 700,
        '"\\' * 1000,
        "<@a," * 500,
        "a@" + "b." * 900 + "!",
        " a" * 900,
    ):
        with pytest.raises(NotAPath):
            parse(f"FROM:<{text}", "FROM")
