"""A database as somebody would find it who opens the panel: a story, and attacks in every text."""

import time
from typing import Final

from edge.model.capture import Facts
from edge.model.domain import Domain
from edge.model.event import (
    ClientInfo,
    Event,
    Geolocation,
    SuppressionChange,
    UnsubscribeChange,
    Verdict,
)
from edge.model.mailgun_json import event_id
from edge.model.tokens import Level
from edge.store import domain_settings, domains, events, partitions
from edge.store.pool import Connection
from edge.store.suppressed import TABLES, Entry, Kind

DOMAIN: Final = "mg.example.com"
ANN, BOB, EVE = "ann.secret@example.net", "bob.hidden@example.org", "eve.private@example.com"
SECRETS: Final = ("ann.secret", "bob.hidden", "eve.private", "Annabella")
"""What nobody may read who sees no recipients."""

ATTACKS: Final = (
    "<script>window.owned=1</script>",
    "\"'><img src=x onerror=window.owned=1>",
    "</textarea><svg onload=window.owned=1>",
    "{{ 7*7 }}{% raw %}",
    "javascript:window.owned=1",
    "</title></style></pre><iframe srcdoc='<script>parent.owned=1</script>'>",
    "' onmouseover='window.owned=1' x='",
    "<a href=javascript:window.owned=1 hx-get=/x hx-on:click=window.owned=1>x</a>",
)

CHROME: Final = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/131.0.0.0 Safari/537.36"
)


class Story:
    """Makes events of messages; ``now`` in µs."""

    def __init__(self, domain: int, now: int) -> None:
        self.domain, self.now = domain, now
        self.batch = events.Batch()
        self._count = 0

    def message(self, name: str, subject: str, *tags: str, minutes: int, **more: object) -> str:
        """Facts of a message; its id."""
        message_id = f"20261125.{name}@{DOMAIN}"
        at = self.now - minutes * 60_000_000
        headers = {"subject": subject, "from": f"News <news@{DOMAIN}>", "to": "%recipient%"}
        facts = Facts(at, self.domain, message_id, list(tags), headers=headers, **more)  # type: ignore[arg-type]  # of the test's own making
        self.batch.facts.append(facts)
        return message_id

    def event(
        self, kind: str, message_id: str, recipient: str, minutes: float, **more: object
    ) -> Event:
        """An event so many minutes ago."""
        self._count += 1
        at = self.now - int(minutes * 60_000_000)
        made = Event(
            id=at.to_bytes(7, "big") + self._count.to_bytes(9, "big"),
            event=kind,
            at=at,
            domain=self.domain,
            recipient=recipient,
            message_id=message_id,
            **more,  # type: ignore[arg-type]  # of the test's own making
        )
        self.batch.events.append(made)
        return made


def _status(code: int, text: str) -> bytes:
    quoted = text.replace('"', "'")
    return (
        f'{{"delivery-status": {{"code": {code}, "message": "{quoted}", "attempt-no": 1, '
        f'"mx-host": "mx.example.org"}}}}'
    ).encode()


def _everyday(story: Story) -> None:
    news = story.message("news", "What is new in November", "newsletter", "november", minutes=90)
    reset = story.message("reset", "Your password", "password-reset", minutes=50)
    person = {
        "ip": "203.0.113.7",
        "user_agent": CHROME,
        "method": "GET",
        "client": ClientInfo("browser", "Windows 10", "desktop", "Chrome"),
        "geolocation": Geolocation("DE", "Berlin", "Berlin"),
        "verdict": Verdict("", ("hdr-gap",), "7"),
    }
    machine = {
        "ip": "17.58.1.2",
        "user_agent": "Mozilla/5.0",
        "method": "GET",
        "verdict": Verdict("apple", ("ua-bare", "ip-apple-relay"), "7"),
    }
    for number, recipient in enumerate((ANN, BOB, EVE)):
        story.event("accepted", news, recipient, 90 - number / 10)
        story.event("delivered", news, recipient, 89 - number, detail=_status(250, "OK"))
    story.event("opened", news, ANN, 60, **person)
    story.event(
        "clicked", news, ANN, 59, url=f"https://example.com/offers?for={ANN}", position=0, **person
    )
    story.event("opened", news, BOB, 88, **machine)
    story.event("accepted", reset, EVE, 50)
    story.event(
        "failed",
        reset,
        EVE,
        49,
        severity="temporary",
        reason="generic",
        detail=_status(451, f"4.7.1 {EVE} greylisted, try again"),
    )
    failed = story.event(
        "failed",
        reset,
        EVE,
        20,
        severity="permanent",
        reason="bounce",
        detail=_status(550, f"5.1.1 <{EVE}> does not exist"),
    )
    left = story.event("unsubscribed", news, BOB, 30, **person)
    story.batch.suppressions.append(
        SuppressionChange(
            domain=story.domain,
            recipient=EVE,
            kind="bounce",
            at=failed.at,
            active=True,
            code="550",
            error=f"5.1.1 <{EVE}> does not exist",
            event_id=failed.id,
            message_id=reset,
        )
    )
    story.batch.unsubscribes.append(
        UnsubscribeChange(
            domain=story.domain,
            recipient=BOB,
            level=Level.DOMAIN,
            names=(),
            at=left.at,
            active=True,
            event_id=left.id,
            message_id=news,
        )
    )


def _attacks(story: Story) -> list[str]:
    ids = []
    for number, attack in enumerate(ATTACKS):
        message = story.message(
            f"attack{number}",
            f"subject {attack}",
            f"tag {attack}".lower(),
            minutes=10,
            mailing_list=f"list{number}@{attack}",
            user_variables={f"name {attack}": f"Annabella {attack}"},
        )
        made = story.event(
            "clicked",
            message,
            f"{attack}@example.net",
            9 - number / 10,
            url=f"https://example.com/?{attack}",
            user_agent=f"agent {attack}",
            ip="198.51.100.4",
            method="GET",
            client=ClientInfo("browser", attack, "desktop", attack),
            geolocation=Geolocation("XX", attack, attack),
            network=attack,
            verdict=Verdict("", (f"burst:{attack}",), attack),
        )
        ids.append(event_id(made.id))
        story.event(
            "failed",
            message,
            f"x{number}@example.net",
            8 - number / 10,
            severity="permanent",
            reason=attack,
            detail=_status(550, "no " + attack.replace("\\", "")),
        )
    return ids


async def seed(conn: Connection, *, attacks: bool = True, more: int = 120) -> list[str]:
    """A domain with a day's events and suppressions; ids of the events with attacks in them."""
    now = time.time_ns() // 1000
    wanted = Domain(
        number=0, name=DOMAIN, open=True, click="yes", unsubscribe=True, retention_days=30
    )
    domain = await domains.add(conn, wanted, now_us=now)
    await partitions.ensure(conn, now_us=now)
    story = Story(domain.number, now)
    _everyday(story)
    ids = _attacks(story) if attacks else []
    bulk = story.message("bulk", "A long line of openings", "bulk", minutes=600)
    for number in range(more):
        story.event("opened", bulk, f"reader{number}@example.net", 300 + number, method="GET")
    prepared = events.prepare(story.batch, now_us=now)
    async with conn.transaction():
        await events.add(conn, prepared)
    entries = [Entry(f"gone{number:03}@example.net", error="5.1.1 unknown") for number in range(60)]
    if attacks:
        entries += [
            Entry(f"x{number}@example.net", code="550", error=attack)
            for number, attack in enumerate(ATTACKS)
        ]
        html = "".join(ATTACKS) + '<p><a href="%unsubscribe_url%">unsubscribe</a></p>'
        await domain_settings.change(
            conn, domain.number, html_footer=html, text_footer="".join(ATTACKS)
        )
    await TABLES[Kind.BOUNCES].put(conn, domain.number, entries, now_us=now)
    await TABLES[Kind.WHITELISTS].put(
        conn, domain.number, [Entry("example.edu", type="domain", reason="our school")], now_us=now
    )
    return ids
