"""Mailbox providers by the domain of an address, as far as the domain alone tells.

Who hosts a company's own domain is not known from its name: it is ``Other``, the word that
Mailgun's events use.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

OTHER: Final = "Other"

_DOMAINS: Final = {
    "Gmail": "gmail.com googlemail.com",
    "Microsoft": "outlook.com hotmail.com live.com msn.com hotmail.co.uk hotmail.fr hotmail.de "
    "hotmail.it outlook.de outlook.fr live.co.uk live.fr live.nl",
    "Yahoo": "yahoo.com ymail.com rocketmail.com yahoo.co.uk yahoo.fr yahoo.de yahoo.it yahoo.es "
    "yahoo.co.in yahoo.com.br yahoo.ca yahoo.co.jp",
    "AOL": "aol.com aim.com",
    "Apple": "icloud.com me.com mac.com",
    "GMX": "gmx.de gmx.net gmx.com gmx.at gmx.ch",
    "Web.de": "web.de",
    "Comcast": "comcast.net",
    "Proton": "proton.me protonmail.com pm.me",
    "Yandex": "yandex.ru yandex.com ya.ru",
    "Mail.ru": "mail.ru inbox.ru list.ru bk.ru",
    "Orange": "orange.fr wanadoo.fr",
    "QQ": "qq.com foxmail.com",
}

PROVIDERS: Final[Mapping[str, str]] = MappingProxyType(
    {domain: provider for provider, domains in _DOMAINS.items() for domain in domains.split()}
)
"""The provider of each domain that is known."""


def provider_of(domain: str) -> str:
    """The provider of an address with this domain, in any case."""
    return PROVIDERS.get(domain.lower(), OTHER)
