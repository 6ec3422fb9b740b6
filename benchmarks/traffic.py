"""The world that the load is made of: domains, messages, readers, user agents, addresses.

Everything follows from a seed, so two runs ask for the same. User agents are composed from the
forms that vendors document, about 110 characters long like those of real browsers.
"""

import random
import time
from collections.abc import Iterator
from itertools import product
from typing import Final

import msgspec

from benchmarks.load import Ask
from edge.model.tokens import (
    FORMAT_VERSION,
    ClickTarget,
    Keyring,
    OpenTarget,
    Target,
    pack_message_id,
)

_WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
_DESKTOPS = (
    "Windows NT 10.0; Win64; x64",
    "Macintosh; Intel Mac OS X 10_15_7",
    "X11; Linux x86_64",
)
_PHONES = (
    "Pixel 8",
    "SM-S911B",
    "SM-A546E",
    "CPH2371",
    "M2101K6G",
    "2201117TG",
    "RMX3241",
    "XQ-DC54",
)
_MACHINES = (
    "Mozilla/5.0",
    "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
    "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html",
    "Barracuda Sentinel (EE)",
    "python-requests/2.32.3",
)


def user_agents(count: int) -> list[str]:
    """``count`` different user agents: browsers of many versions, and the machines of mail."""
    found = list(_MACHINES)
    for major, system in product(range(100, 150), _DESKTOPS):
        found.append(f"Mozilla/5.0 ({system}) {_WEBKIT} Chrome/{major}.0.0.0 Safari/537.36")
    for major, build, phone in product(range(110, 150), range(1, 40), _PHONES):
        tail = f"Chrome/{major}.0.{6000 + build}.{build} Mobile Safari/537.36"
        found.append(f"Mozilla/5.0 (Linux; Android {10 + major % 6}; {phone}) {_WEBKIT} {tail}")
        if len(found) >= count:
            break
    if len(found) < count:
        raise ValueError(f"only {len(found)} user agents can be made")
    random.Random(7).shuffle(found)
    return found[:count]


def addresses(count: int) -> list[str]:
    """``count`` public IPv4 addresses, spread over the prefixes of :func:`prefixes`."""
    chosen = random.Random(8)
    return [f"{chosen.randrange(20, 100)}.{chosen.randrange(256)}.{chosen.randrange(256)}."
            f"{chosen.randrange(1, 255)}" for _ in range(count)]  # fmt: skip


class Message(msgspec.Struct, frozen=True, gc=False):
    """One message to one reader; ``tags`` are the two of its facts."""

    domain: int
    host: str
    message_id: str
    packed: bytes | str
    recipient: str
    tags: tuple[str, str]


TAGS: Final = 20
"""Different tags of a domain."""

_LANDINGS = (
    "https://shop.example.com/spring/offers?utm_source=newsletter&utm_medium=email&item={}",
    "https://www.example.org/articles/{}/read-more?ref=mail",
    "https://account.example.net/orders/{}/status",
)


def messages(domains: dict[int, str], count: int, seed: int = 1) -> list[Message]:
    """``count`` messages over the domains (number to tracking host), with ids of our own form."""
    chosen = random.Random(seed)
    stamp = time.strftime("%Y%m%d%H%M%S", time.gmtime(time.time() - 86_400))
    numbers = sorted(domains)
    made = []
    for _ in range(count):
        number = numbers[chosen.randrange(len(numbers))]
        name = domains[number].partition(".")[2]
        message_id = f"{stamp}.{chosen.getrandbits(64):016x}@{name}"
        first = chosen.randrange(TAGS)
        tags = (f"campaign-{first}", f"group-{(first + 1 + chosen.randrange(TAGS - 1)) % TAGS}")
        recipient = f"reader{chosen.getrandbits(40):010x}@example.com"
        made.append(
            Message(
                number,
                domains[number],
                message_id,
                pack_message_id(message_id, name),
                recipient,
                tags,
            )
        )
    return made


def open_target(message: Message) -> OpenTarget:
    """What the message's pixel stands for."""
    return OpenTarget(FORMAT_VERSION, message.domain, message.packed, message.recipient)


def click_target(message: Message, position: int = 0) -> ClickTarget:
    """What one of the message's links stands for."""
    url = _LANDINGS[position % len(_LANDINGS)].format(hash(message.message_id) & 0xFFFFFF)
    return ClickTarget(
        FORMAT_VERSION, message.domain, message.packed, message.recipient, position, url
    )


def asks(keyring: Keyring, made: list[Message], *, clicks: bool) -> Iterator[Ask]:
    """The request of each message's pixel or first link, with many user agents."""
    agents = user_agents(1000)
    kind = "c" if clicks else "o"
    for place, message in enumerate(made):
        target: Target = click_target(message) if clicks else open_target(message)
        path = f"/{kind}/{keyring.seal(target)}"
        yield Ask(message.host, path, agents[place % len(agents)])
