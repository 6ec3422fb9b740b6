"""Every evidence code, in a sentence: what ``edge explain`` prints and ``docs/bots.md`` lists."""

from typing import Final

MEANING: Final = {
    "method-head": "The request was not a GET: no person reads mail by HEAD.",
    "hdr-prefetch": "A header (Sec-Purpose, Purpose, X-Purpose, X-Moz) says prefetch or preview.",
    "ua-gmail-prefetch": "Gmail loads images of an unread message with this user agent.",
    "ua-gmail-sampling": "Gmail samples links with this user agent.",
    "ua-gmail-fixed": "Google's network sent the one old Chrome user agent that its fetchers use.",
    "ip-google": "The address is Google's.",
    "ua-bare": "The user agent is Mozilla/5.0 and nothing else, as Apple's mail privacy sends it.",
    "ip-apple-relay": "The address is of Apple's relay.",
    "ip-apple": "The address is of Apple's own network, 17.0.0.0/8.",
    "ip-dc": "The address is of a cloud, a scanner or a crawler, not of Apple.",
    "ua-bare-click": "Apple's mail privacy follows no links, so a bare Mozilla/5.0 is a scanner.",
    "proxy-google": "Gmail's image proxy, from Google's network: a person opened the message.",
    "proxy-yahoo": "Yahoo's image proxy: a person opened the message.",
    "proxy-rambler": "Rambler's image proxy: a person opened the message.",
    "proxy-spoof": "Says it is Gmail's image proxy, but the address is not Google's.",
    "ip-google-fetch": "Google's image network with a user agent that is not its image proxy.",
    "ua-empty": "There is no user agent.",
    "ua-mail-client": "The user agent is a mail client's, so names of software do not count.",
    "ua-scanner": "The user agent names a security scanner.",
    "ua-previewer": "The user agent names a link previewer of a messenger or social network.",
    "ua-library": "The user agent names an HTTP library, a script or an automated browser.",
    "ua-crawler": "The user agent names a crawler.",
    "ua-feed-reader": "The user agent names a feed reader.",
    "net-mailsec": "The address is of a mail security service.",
    "t<600": "Less than ten minutes after the recipient's server took the message.",
    "burst": "Part of a sweep: this many different links of the message within so many seconds.",
    "t-instant": "Less than two seconds after the recipient's server took the message.",
    "act-post": "A POST acts for a person, and providers' servers send it (RFC 8058).",
    "t-early": "Weak: sooner after delivery than most people (click 30 s, open 10 s).",
    "net-dc": "Weak: the address is of a cloud or hosting provider.",
    "hdr-gap": "Weak: says it is a modern Chrome on TLS, but lacks headers that Chrome sends.",
    "dup-os": "Weak: the same link was followed from another address and operating system.",
}
"""Code (without what follows its colon) to meaning."""


def meaning(code: str) -> str:
    """The sentence for a code such as ``ua-crawler:bingbot`` or ``burst:9/1``."""
    return MEANING.get(code, "") or MEANING.get(code.partition(":")[0], "Unknown code.")
