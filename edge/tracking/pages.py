"""The pages people see: confirm an unsubscribe, done, undone, and what went wrong.

Plain HTML that works without script, colour or a wide screen, in light and dark. No cookie, no
outside resource; the content security policy allows the one style sheet by its hash and forms to
this host only (https://www.w3.org/TR/CSP3/).
"""

import hashlib
from base64 import b64encode
from html import escape
from typing import Final

from edge.model.domain import Domain
from edge.model.tokens import Level, UnsubscribeTarget

_STYLE: Final = """
:root { color-scheme: light dark; --ground: #eef1f5; --paper: #fff; --ink: #1d2733;
  --edge: #d5dce4; --strong: #17456b; --on-strong: #fff; --focus: #b45309; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #11161c; --paper: #1b222b; --ink: #e6ebf1; --edge: #36414d;
    --strong: #9cc7ee; --on-strong: #0e1a26; --focus: #f5b041; }
}
* { box-sizing: border-box; }
body { margin: 0; padding: 1rem; min-height: 100vh; display: grid; place-items: center;
  font: 1.0625rem/1.55 system-ui, -apple-system, "Segoe UI", sans-serif;
  background: var(--ground); color: var(--ink); }
main { width: 100%; max-width: 31rem; padding: 2rem 1.75rem; background: var(--paper);
  border: 1px solid var(--edge); border-radius: .75rem; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .75rem; }
p { margin: 0 0 1.5rem; overflow-wrap: anywhere; }
p:last-child { margin-bottom: 0; }
hr { border: 0; border-top: 1px solid var(--edge); margin: 0 0 1.25rem; }
form { margin: 0; }
button { font: inherit; font-weight: 600; min-height: 2.75rem; padding: .5rem 1.35rem;
  border: 1px solid var(--strong); border-radius: .5rem; cursor: pointer;
  background: var(--strong); color: var(--on-strong); }
button.quiet { background: transparent; color: inherit; border-color: currentColor; }
button:hover { filter: brightness(1.12); }
button:focus-visible { outline: 3px solid var(--focus); outline-offset: 3px; }
"""
_STYLE_HASH: Final = b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_NO_FRAMES: Final = "frame-ancestors 'none'; base-uri 'none'"

PAGE_HEADERS: Final = (
    ("Content-Type", "text/html; charset=utf-8"),
    ("Cache-Control", "no-store"),
    (
        "Content-Security-Policy",
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; {_NO_FRAMES}",
    ),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Robots-Tag", "noindex, nofollow"),
)


def _page(title: str, body: str) -> str:
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n<h1>{escape(title)}</h1>\n{body}</main>\n</body>\n</html>\n"
    )


def scope(target: UnsubscribeTarget, domain: Domain | None) -> str:
    """What the unsubscribe is from, as the object of "get", in words a recipient understands."""
    sender = domain.name if domain else "this sender"
    if target.level is Level.LIST and target.names:
        return f"mail of the mailing list {target.names[0]}"
    if target.level is Level.TAG and target.names:
        names = ", ".join(f"“{name}”" for name in target.names)
        return f"mail about {names} from {sender}"
    return f"mail from {sender}"


def _sentence(target: UnsubscribeTarget, domain: Domain | None, will: str) -> str:
    recipient, what = escape(target.recipient), escape(scope(target, domain))
    return f"<strong>{recipient}</strong> will {will} {what}."


def confirm(target: UnsubscribeTarget, domain: Domain | None) -> str:
    """The page a GET shows: nothing has happened yet."""
    return _page(
        "Unsubscribe?",
        f"<p>Press the button, and {_sentence(target, domain, 'no longer get')}</p>\n"
        '<form method="post"><input type="hidden" name="action" value="unsubscribe">'
        '<button type="submit">Unsubscribe</button></form>\n',
    )


def done(target: UnsubscribeTarget, domain: Domain | None, nonce: str) -> str:
    """The page after an unsubscribe; its button undoes it for an hour."""
    return _page(
        "You are unsubscribed",
        f"<p>{_sentence(target, domain, 'no longer get')}</p>\n"
        "<hr>\n<p>Was this a mistake? For an hour it can be undone here.</p>\n"
        '<form method="post"><input type="hidden" name="action" value="resubscribe">'
        f'<input type="hidden" name="nonce" value="{escape(nonce)}">'
        '<button type="submit" class="quiet">Subscribe again</button></form>\n',
    )


def undone(target: UnsubscribeTarget, domain: Domain | None) -> str:
    """The page after the undoing."""
    return _page(
        "You are subscribed again",
        f"<p>{_sentence(target, domain, 'get')}</p>\n",
    )


def not_valid() -> str:
    """The page for a link that is cut short, changed or not ours."""
    return _page(
        "This link does not work",
        "<p>It may have been cut short on its way. Please open it from the message again, or "
        "answer the message to be taken off the list.</p>\n",
    )


def too_late() -> str:
    """The page for a resubscribe button that is older than an hour."""
    return _page(
        "This button has expired",
        "<p>To get the mail again, please ask the sender.</p>\n",
    )


def try_again() -> str:
    """The page when the request could not be written down."""
    return _page(
        "Please try again in a minute",
        "<p>Your request could not be saved just now, so nothing has changed.</p>\n",
    )


def not_understood() -> str:
    """The page for a POST that asks for nothing known."""
    return _page(
        "This request was not understood",
        "<p>Please open the link from the message again and use the button there.</p>\n",
    )
