"""Client info in Mailgun's vocabulary."""

import pytest

from edge.model.capture import Act
from edge.model.event import ClientInfo
from tests.unit.enrich.people import BROWSERS, MAIL_CLIENTS, chrome, ios, safari
from tests.unit.enrich.world import GOOGLE_FETCHER, GOOGLE_PROXY, capture, label

_K = "(KHTML, like Gecko)"
_OUTLOOK_2007 = (
    "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 6.1; WOW64; Trident/7.0; SLCC2; "
    ".NET CLR 2.0.50727; Media Center PC 6.0; InfoPath.2; .NET4.0C; .NET4.0E; MSOffice 12)"
)
_LUMIA = (
    "Mozilla/5.0 (compatible; MSIE 10.0; Windows Phone 8.0; Trident/6.0; IEMobile/10.0; ARM; "
    "Touch; NOKIA; Lumia 520; ms-office; MSOffice 14)"
)
_LIVE_MAIL = "Outlook-Express/7.0 (MSIE 7.0; Windows NT 6.2; WOW64; Trident/7.0; TmstmpExt)"
_MAC = "Macintosh; Intel Mac OS X"
_EDGE = (
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 {_K} "
    "Chrome/51.0.2704.79 Safari/537.36 Edge/14.14393"
)

# Name, OS, type, device that Mailgun publishes for a user agent of each kind.
PUBLISHED = [
    (chrome("X11; Linux x86_64", 24), "Chrome", "Linux", "browser", "desktop"),
    (safari("10.1.1"), "Safari", "OS X", "browser", "desktop"),
    (_EDGE, "Edge", "Windows 10", "browser", "desktop"),
    (
        (f"Mozilla/5.0 (Linux; Android 4.1.1; Nexus 7 Build/JRO03D) AppleWebKit/535.19 {_K} "
        "Chrome/18.0.1025.166  Safari/535.19"),
        "Chrome", "Android", "browser", "tablet",
    ),
    (
        ios("pad10_3_3", "Mobile/14G60", "603.3.8"),
        "Mobile Safari UI/WKWebView", "iOS", "mobile browser", "tablet",
    ),
    (
        "Mozilla/5.0 (Android 5.1.1; Mobile; rv:50.0) Gecko/50.0 Firefox/50.0",
        "Firefox Mobile", "Android", "mobile browser", "mobile",
    ),
    (
        ios("6_1_1", "Version/6.0 Mobile/10B145 Safari/8536.25", "536.26"),
        "Mobile Safari", "iOS", "mobile browser", "mobile",
    ),
    (
        (f"Mozilla/5.0 (Linux; Android 4.4.4; SM-S820L Build/KTU84P) AppleWebKit/537.36 {_K} "
        "Chrome/33.0.0.0 Mobile Safari/537.36"),
        "Chrome Mobile", "Android", "mobile browser", "mobile",
    ),
    (
        "Mozilla/5.0 (X11; Linux x86_64; rv:17.0) Gecko/20130106 Thunderbird/17.0.2",
        "Thunderbird", "Linux", "email client", "desktop",
    ),
    (
        f"Mozilla/5.0 ({_MAC} 10_12_6) AppleWebKit/603.3.8 {_K}",
        "Apple Mail", "OS X", "email client", "desktop",
    ),
    (_LIVE_MAIL, "Windows Live Mail", "Windows 8", "email client", "desktop"),
    (_OUTLOOK_2007, "Outlook", "Windows 7", "email client", "desktop"),
    (
        "Mozilla/4.0 (compatible; Lotus-Notes/6.0; Windows-NT)",
        "Lotus Notes", "Windows", "email client", "unknown",
    ),
    (_LUMIA, "Outlook", "Windows Phone", "email client", "mobile"),
    (
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "Googlebot", "unknown", "robot", "other",
    ),
    (
        "Mozilla/5.0 (compatible; Bingbot/2.0; +http://www.bing.com/bingbot.htm)",
        "bingbot", "unknown", "robot", "other",
    ),
    (
        "DuckDuckBot/1.0; (+http://duckduckgo.com/duckduckbot.html)",
        "DuckDuckBot", "unknown", "robot", "other",
    ),
    (
        "Mozilla/5.0 (compatible; Baiduspider/2.0; +http://www.baidu.com/search/spider.html)",
        "Baiduspider", "unknown", "robot", "other",
    ),
    (
        "Microsoft Office/16.0 (Microsoft Outlook 16.0.8241; Pro)",
        "Outlook", "unknown", "email client", "unknown",
    ),
    # Mailgun leaves this one wholly unknown; here it is a library, a word of its own vocabulary.
    ("lua-resty-http/0.10 (Lua) ngx_lua/10000", "unknown", "unknown", "unknown", "unknown"),
    ("Crap", "unknown", "unknown", "unknown", "unknown"),
    (
        (f"Mozilla/5.0 (X11; Ubuntu; Linux x86_64) AppleWebKit/537.31 {_K} Chrome/26.0.1410.43 "
        "Safari/537.31"),
        "Chrome", "Linux", "browser", "desktop",
    ),
    (
        f"Mozilla/5.0 ({_MAC} 10_8_2) AppleWebKit/537.31 {_K} Chrome/26.0.1410.43 Safari/537.31",
        "Chrome", "OS X", "browser", "desktop",
    ),
    ("Mozilla/5.0", "unknown", "unknown", "unknown", "unknown"),
    (
        # Mailgun's documentation calls this web view "Mobile Safari"; ua-parser knows better.
        ios("6_1", "Mobile/10B143", "536.26"),
        "Mobile Safari", "iOS", "mobile browser", "mobile",
    ),
]  # fmt: skip

TYPES = {
    "unknown", "mobile browser", "browser", "email client", "library", "robot", "other",
}  # fmt: skip
DEVICES = {"unknown", "desktop", "mobile", "tablet", "other"}


def _client(ua: str, act: Act = Act.OPEN) -> ClientInfo:
    return label(capture(act, ua)).client


def test_published_expectations() -> None:
    """All four fields as Mailgun publishes them for at least 22 of 25 user agents."""
    wrong = []
    for ua, name, system, sort, device in PUBLISHED:
        wanted = ClientInfo(
            client_name=name, client_os=system, client_type=sort, device_type=device
        )
        if _client(ua) != wanted:
            wrong.append((ua, _client(ua), wanted))
    print(f"{len(PUBLISHED) - len(wrong)} of {len(PUBLISHED)} as published", *wrong, sep="\n  ")
    assert len(PUBLISHED) == 25
    assert len(wrong) <= 3


def test_browsers_are_browsers() -> None:
    """Every common browser has a name, a system, a device and one of the two browser types."""
    for ua in BROWSERS:
        client = _client(ua)
        assert client.client_type in {"browser", "mobile browser"}, ua
        assert client.device_type in {"desktop", "mobile", "tablet"}, ua
        assert "unknown" not in {client.client_name, client.client_os}, ua


def test_mail_clients_are_mail_clients() -> None:
    """All but the web views that cannot be told from a browser."""
    others = [ua for ua in MAIL_CLIENTS if _client(ua).client_type != "email client"]
    assert all("iPhone" in ua or "iPad" in ua or "GSA/" in ua for ua in others)


@pytest.mark.parametrize(
    "ua, sort",
    [
        ("python-requests/2.31.0", "library"),
        ("curl/8.5.0", "library"),
        ("Mozilla/5.0 (compatible; Feedly/1.0; http://www.feedly.com/fetcher.html)", "other"),
        ("Barracuda Sentinel (EE)", "robot"),
        ("facebookexternalhit/1.1", "robot"),
    ],
)
def test_software_has_mailgun_s_types(ua: str, sort: str) -> None:
    """Libraries, robots, and feed readers, which are ``other``."""
    assert _client(ua).client_type == sort
    assert _client(ua).device_type == "other"


def test_vocabulary_is_closed() -> None:
    """No type or device that Mailgun does not have, for anything."""
    for ua in [*BROWSERS, *MAIL_CLIENTS, *(row[0] for row in PUBLISHED), "", "\x00", "x" * 9000]:
        client = _client(ua)
        assert client.client_type in TYPES
        assert client.device_type in DEVICES


def test_image_proxy_keeps_its_name_and_nothing_else() -> None:
    """The proxy's Windows XP is not the reader's."""
    client = label(capture(Act.OPEN, GOOGLE_PROXY, GOOGLE_FETCHER)).client
    assert client == ClientInfo(client_name="GmailImageProxy")


def test_devices_that_are_neither() -> None:
    """Consoles and televisions are ``other``; a webkit without a name on one is no mail client."""
    client = _client("Mozilla/5.0 (PlayStation 4 9.60) AppleWebKit/605.1.15 (KHTML, like Gecko)")
    assert (client.device_type, client.client_name) == ("other", "unknown")
    assert _client("K-9 Mail for Android").device_type == "mobile"
