"""Click destinations: what is accepted is handed out byte for byte, what is hostile is refused."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge.model.destination import MAX_URL, is_plain, normalise
from edge.model.errors import InvalidDestination

HOSTILE = [
    "",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\tscript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:x",
    "file:///etc/passwd",
    "ftp://example.com/",
    "mailto:a@example.com",
    "//evil.example",
    "///evil.example",
    "\\\\evil.example",
    "https:evil.example",
    "https:/evil.example",
    "https:\\\\evil.example",
    "https:///evil.example",
    "https://",
    "http://?x",
    "http://#x",
    "http://user@evil.example/",
    "http://good.example@evil.example/",
    "http://user:password@evil.example/",
    "http://good.example\\@evil.example/",
    "http://good.example\\.evil.example/",
    "ht\ntp://evil.example/",
    "http://evil.example/\r\nSet-Cookie: a=b",
    "http://evil.example/\x00",
    "http://evil.example/\x7f",
    "http://evil.example/\ud800",
    "http://ev il.example/",
    "http://evil%2eexample/",
    "http://evil.example:99999/",
    "http://evil.example:" + "9" * 5000,
    "http://evil.example:port/",
    "http://[::1/",
    "http://[nonsense]/",
    "http://evil<>.example/",
    "http://" + "ä" * 70 + ".example/",
    "http://\u2028.example/",
    "http://example.com:\uff18\uff10/",
    " \x00 http://evil.example/",
]


@pytest.mark.parametrize("url", HOSTILE)
def test_hostile_destinations_are_refused_when_sealed(url: str) -> None:
    """Only plain http and https with a real host and no user information."""
    with pytest.raises(InvalidDestination):
        normalise(url)


@pytest.mark.parametrize("url", [u for u in HOSTILE if "example:9" not in u])
def test_hostile_destinations_are_refused_when_opened(url: str) -> None:
    """A token sealed by hand with such a URL has no plain destination to redirect to."""
    assert not is_plain(url)


@pytest.mark.parametrize(
    "url,expected",
    [
        ("https://example.com", "https://example.com"),
        ("HTTPS://Example.COM/Path?Q=1#F", "https://Example.COM/Path?Q=1#F"),
        ("  https://example.com/ ", "https://example.com/"),
        ("https://example.com/a b", "https://example.com/a%20b"),
        ("https://example.com/ü?q=ü#ü", "https://example.com/%C3%BC?q=%C3%BC#%C3%BC"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/"),
        ("https://example.com/%zz%2f%2F", "https://example.com/%zz%2f%2F"),
        ("https://example.com/?a=1&amp;b=2&copy=3", "https://example.com/?a=1&amp;b=2&copy=3"),
        ("https://example.com/'\"<>{}|^`", "https://example.com/'\"<>{}|^`"),
        ("https://example.com/@user", "https://example.com/@user"),
        ("https://example.com?x=a@b", "https://example.com?x=a@b"),
        ("https://[2001:db8::1]:8443/x", "https://[2001:db8::1]:8443/x"),
        ("http://192.0.2.1:8080/", "http://192.0.2.1:8080/"),
        ("http://_dmarc.example.com/", "http://_dmarc.example.com/"),
    ],
)
def test_plain_urls_are_kept(url: str, expected: str) -> None:
    """What is ASCII stays byte for byte; the rest gets its WHATWG spelling."""
    assert normalise(url) == expected
    assert is_plain(expected)


parts = st.text(st.characters(), max_size=30)


@given(st.sampled_from(["http://", "https://", "HTTP://", "", "//"]), parts, parts)
@example("http://", "a", "?" + "\u0660")
def test_normalising_is_idempotent_plain_and_never_fails_otherwise(
    scheme: str, host: str, rest: str
) -> None:
    """Any text is either refused with our own error or becomes a plain URL, once and for all."""
    try:
        url = normalise(f"{scheme}{host}/{rest}")
    except InvalidDestination:
        return
    assert is_plain(url)
    assert normalise(url) == url
    assert url.isascii()


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=200))
def test_an_ascii_path_is_never_touched(path: str) -> None:
    """Every printable ASCII byte after the host stays as it is."""
    url = f"https://example.com/{path}"
    assert normalise(url) == url


def test_length_limit_is_5000_octets_of_the_final_form() -> None:
    """Exactly 5,000 octets pass; one more, or one that grows when encoded, does not."""
    longest = "https://example.com/".ljust(MAX_URL, "x")
    assert normalise(longest) == longest
    for longer in (longest + "x", longest[:-1] + "ü"):
        with pytest.raises(InvalidDestination, match="5000"):
            normalise(longer)
