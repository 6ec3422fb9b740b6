"""A month of events, made by Postgres itself: fast, and with counters that follow from the rows.

Each message has one recipient and four events: accepted; delivered, or failed for one in twenty;
two of opens and clicks, some of them by bots. Domains, recipients and tags are drawn by Zipf's law
(the chance of number k is proportional to 1/k). A day is filled first and attached then, so that
its indexes are built at once; the partitions' own code does the rest.
"""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import asyncpg
import msgspec

from edge.model.domain import Domain
from edge.store import api_keys, domains, partitions, pool, rollups
from edge.store.partitions import DAY_US, day_name

DAYS = 30
EACH = 4
"""Events of a message."""

RECIPIENTS = 300_000
TAGS = 100
"""Of each domain; a message has two, or one where both are the same."""

_MESSAGES = """
WITH drawn AS MATERIALIZED (
    SELECT n, $1::bigint + (random() * 61200000000)::bigint AS at,
           least($4, floor(exp(random() * ln($4 + 1)))::int) AS domain,
           floor(exp(random() * ln($5 + 1)))::int AS recipient,
           floor(exp(random() * ln($6 + 1)))::int AS tag,
           floor(exp(random() * ln($6 + 1)))::int AS other,
           random() AS luck
    FROM generate_series(1, $2::int) AS n
)
INSERT INTO made_{day}
SELECT at, $3::int + domain - 1 AS domain,
       'r' || recipient || '@' || (ARRAY['gmail.com', 'yahoo.com', 'outlook.com',
           'company' || recipient % 500 || '.example'])[1 + recipient % 4] AS recipient,
       '{day}.' || n || '@brand' || domain - 1 || '.example' AS message_id,
       CASE WHEN tag = other THEN ARRAY['tag' || tag]
            ELSE ARRAY['tag' || tag, 'tag' || other] END AS tags,
       luck, 'Subject ' || n % 5000 || ' of issue ' || tag AS subject
FROM drawn
"""

_EVENTS = """
INSERT INTO {table}
    (retention, at, id, domain, account, event, recipient, message_id, received_at, method, repeat,
     url, ip, user_agent, client_type, client_os, device_type, client_name, country, region, city,
     network, bot, evidence, rules, tags, has_facts, is_unique, severity, reason, detail)
SELECT 30, timestamptz 'epoch' + e.at * interval '1 microsecond',
       substring(int8send(e.at) from 2) || substring(uuid_send(gen_random_uuid()) from 1 for 9),
       m.domain, 1, e.event, m.recipient, m.message_id,
       timestamptz 'epoch' + e.at * interval '1 microsecond', 'GET', 1,
       CASE WHEN e.event = 'clicked' THEN 'https://shop.example/item/' || (m.luck * 1000)::int
            ELSE '' END,
       CASE WHEN e.reader THEN '203.0.113.' || (m.luck * 250)::int ELSE '' END,
       CASE WHEN e.reader THEN 'Mozilla/5.0 (X11; Linux x86_64) Chrome/' || (m.luck * 140)::int
            ELSE '' END,
       CASE WHEN e.reader THEN 'browser' ELSE 'unknown' END,
       CASE WHEN e.reader THEN 'Linux' ELSE 'unknown' END,
       CASE WHEN e.reader
            THEN (ARRAY['desktop', 'mobile', 'tablet'])[1 + (m.luck * 2.99)::int % 3]
            ELSE 'unknown' END,
       CASE WHEN e.reader THEN 'Chrome' ELSE 'unknown' END,
       CASE WHEN e.reader
            THEN (ARRAY['DE', 'US', 'FR', 'GB', 'NL'])[1 + (m.luck * 4.99)::int % 5]
            ELSE 'Unknown' END,
       'Unknown', 'Unknown', '',
       CASE WHEN e.reader AND m.luck < 0.1 THEN 'generic' ELSE '' END, '{{}}', '1', m.tags, true,
       e.reader AND e.part = 2,
       CASE WHEN e.event = 'failed' THEN 'permanent' END,
       CASE WHEN e.event = 'failed' THEN 'bounce' END,
       CASE WHEN NOT e.reader THEN jsonb '{{"envelope": {{"sender": "news@brand.example"}}}}' END
FROM made_{day} m CROSS JOIN LATERAL (VALUES
    (0, 'accepted', m.at, false),
    (1, CASE WHEN m.luck < 0.95 THEN 'delivered' ELSE 'failed' END, m.at + 2000000, false),
    (2, 'opened', m.at + 60000000 + (m.luck * 21600000000)::bigint, true),
    (3, CASE WHEN m.luck < 0.4 THEN 'clicked' ELSE 'opened' END,
        m.at + 90000000 + (m.luck * 21600000000)::bigint, true)
) AS e (part, event, at, reader)
ORDER BY e.at
"""

_FACTS = """
INSERT INTO message_facts (domain, message_id, at, tags, headers)
SELECT domain, message_id, timestamptz 'epoch' + at * interval '1 microsecond', tags,
       jsonb_build_object('from', 'News <news@brand.example>', 'to', recipient, 'subject', subject)
FROM made_{day} ORDER BY domain, message_id
"""

_HOURS = """
INSERT INTO hourly (domain, tag, event, bot, hour, total, uniq)
SELECT e.domain, t.tag, counted_as(e.event, e.severity, e.reason), e.bot,
       date_trunc('hour', e.at, 'UTC'), sum(e.repeat), count(*) FILTER (WHERE e.is_unique)
FROM {table} e CROSS JOIN LATERAL (SELECT '' AS tag UNION ALL SELECT unnest(e.tags)) t
GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
"""


class History(msgspec.Struct):
    """What was made: domains by number, a key, the days, and how long it took (seconds)."""

    domains: dict[int, str]
    key: str
    today: int
    events: int
    seconds: dict[str, float]


async def _prepare(url: str, count: int, now_us: int) -> tuple[dict[int, str], str]:
    async with pool.opened(url, max_size=1) as opened, opened.acquire() as conn:
        first = Domain(number=0, name="brand0.example")
        number = (await domains.add(conn, first, now_us=now_us)).number
        await conn.execute(
            "INSERT INTO domains (number, name) SELECT $1 + n, 'brand' || n || '.example' "
            "FROM generate_series(1, $2::int) n",
            number,
            count - 1,
        )
        key, _ = await api_keys.create(conn, "benchmark", now_us=now_us)
        for day in await partitions.days(conn, 30):
            if day <= now_us // DAY_US:
                await conn.execute(f"DROP TABLE events_r30_{day_name(day)}")
        return {number + place: f"brand{place}.example" for place in range(count)}, key


async def _day(url: str, day: int, today: int, messages: int, domains: tuple[int, int]) -> None:
    """One day's events, facts and hours, its partition, and its roll-up if it is over.

    ``domains``: the first number, and how many.
    """
    name = day_name(day)
    table = f"events_r30_{name}"
    low, high = (f"'{day_name(one)} 00:00:00+00'" for one in (day, day + 1))
    conn = await asyncpg.connect(url, command_timeout=600)
    try:
        await conn.execute("SET synchronous_commit = off")
        await conn.execute("SET maintenance_work_mem = '256MB'")
        await conn.execute("SET work_mem = '256MB'")
        await conn.execute("SET statement_timeout = 0")
        await conn.execute(
            f"CREATE TEMP TABLE made_{name} (at bigint, domain int, recipient text, "
            "message_id text, tags text[], luck float8, subject text)"
        )
        start = day * DAY_US
        shape = (*domains, RECIPIENTS, TAGS)
        await conn.execute(_MESSAGES.format(day=name), start, messages, *shape)
        await conn.execute(f"CREATE TABLE {table} (LIKE events INCLUDING DEFAULTS)")
        await conn.execute(_EVENTS.format(day=name, table=table))
        await conn.execute(_FACTS.format(day=name))
        await conn.execute(_HOURS.format(table=table))
        await conn.execute(
            f"ALTER TABLE events_r30 ATTACH PARTITION {table} FOR VALUES FROM ({low}) TO ({high})"
        )
        await conn.execute(f"VACUUM (ANALYZE) {table}")
        if day < today - 1:
            await rollups.roll_dimensions(conn, 30, day)
    finally:
        await conn.close()


async def _roll_up(url: str, days: list[int], now_us: int) -> None:
    """Days and months, by the code that does it in service."""
    async with pool.opened(url, max_size=1) as opened, opened.acquire() as conn:
        await conn.execute("SET statement_timeout = 0")
        await partitions.ensure(conn, now_us=now_us)
        async with conn.transaction():
            await rollups.roll_days(conn, map(rollups.date_of, days))
        await rollups.run(conn, now_us=now_us)
        for table in ("daily", "daily_dimensions", "message_facts", "hourly"):
            await conn.execute(f"ANALYZE {table}", timeout=600)


def make(url: str, *, events: int, count: int, now_us: int) -> History:
    """Fill an empty database; two days at a time."""
    seconds: dict[str, float] = {}
    began = time.monotonic()
    named, key = asyncio.run(_prepare(url, count, now_us))
    today = now_us // DAY_US
    days = [today - back for back in range(DAYS - 1, -1, -1)]
    messages = events // EACH // DAYS
    first = min(named)

    def fill(day: int) -> None:
        asyncio.run(_day(url, day, today, messages, (first, count)))

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(fill, days))
    seconds["events"] = time.monotonic() - began
    began = time.monotonic()
    asyncio.run(_roll_up(url, days, now_us))
    seconds["roll-ups"] = time.monotonic() - began
    return History(named, key, today, messages * EACH * DAYS, seconds)
