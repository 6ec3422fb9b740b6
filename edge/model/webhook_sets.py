"""What a change makes of a domain's webhooks; pure, and shared by the API's versions and commands.

A set is URLs in order, each with its types. Version 3 of the API looks at it by type, version 4 by
URL. Every function returns a new set and raises CallerError in Mailgun's words where it has any.
"""

from collections.abc import Mapping, Sequence

from edge.model.errors import CallerError, NotFound
from edge.model.webhook import MOST_URLS, TYPES

MISSING = "Webhook not found"

Webhooks = Mapping[str, tuple[str, ...]]
"""Types by URL, in the order in which the URLs were added."""


def by_type(have: Webhooks) -> dict[str, list[str]]:
    """URLs by type; types without any are left out."""
    found = {kind: [url for url, types in have.items() if kind in types] for kind in TYPES}
    return {kind: urls for kind, urls in found.items() if urls}


def _put(have: Webhooks, url: str, kind: str) -> dict[str, tuple[str, ...]]:
    types = {*have.get(url, ()), kind}
    return {**have, url: tuple(name for name in TYPES if name in types)}


def _within_limit(have: Webhooks) -> Webhooks:
    for kind, urls in by_type(have).items():
        if len(urls) > MOST_URLS:
            raise CallerError(
                f"{kind} has {MOST_URLS} URLs, which is all it may have in one domain: remove one"
            )
    return have


def create_type(have: Webhooks, kind: str, urls: Sequence[str]) -> Webhooks:
    """A type that has no URL yet gets some."""
    if kind in by_type(have):
        raise CallerError(
            f"Webhook for event type '{kind}' already exists: change it with PUT, or remove it"
        )
    return replace_type(have, kind, urls, new=True)


def replace_type(have: Webhooks, kind: str, urls: Sequence[str], *, new: bool = False) -> Webhooks:
    """A type has exactly these URLs; NotFound for one that had none, unless it is ``new``."""
    if not new and kind not in by_type(have):
        raise NotFound(MISSING)
    wanted: Webhooks = remove_type(have, kind) if kind in by_type(have) else have
    for url in urls:
        wanted = _put(wanted, url, kind)
    return _within_limit(wanted)


def remove_type(have: Webhooks, kind: str) -> Webhooks:
    """A type has no URL any more; NotFound for one that had none."""
    if kind not in by_type(have):
        raise NotFound(MISSING)
    return {
        url: tuple(name for name in types if name != kind)
        for url, types in have.items()
        if types != (kind,)
    }


def create_url(have: Webhooks, url: str, kinds: Sequence[str]) -> Webhooks:
    """A URL is called for further types; CallerError for one it is called for already."""
    wanted = have
    for kind in kinds:
        if kind in have.get(url, ()):
            raise CallerError(f"Webhook for event type '{kind}' with URL '{url}' already exists")
        wanted = _put(wanted, url, kind)
    return _within_limit(wanted)


def replace_url(have: Webhooks, url: str, kinds: Sequence[str]) -> Webhooks:
    """A URL is called for exactly these types; NotFound for one that was called for none."""
    if url not in have:
        raise NotFound(MISSING)
    return _within_limit({**have, url: tuple(kinds)})


def remove_urls(have: Webhooks, urls: Sequence[str]) -> Webhooks:
    """These URLs are not called any more; NotFound where none of them was."""
    if not set(urls) & set(have):
        raise NotFound(MISSING)
    return {url: types for url, types in have.items() if url not in urls}
