-- name: homes
SELECT n.number, d.account, c.retention, c.first, c.ending
FROM unnest($1::integer[]) AS n (number)
LEFT JOIN domains d ON d.number = n.number
JOIN event_days c ON c.retention = coalesce(d.retention_days, 30);

-- Arrays with an element for each event or counter come as text: asyncpg looks at every element of
-- a list several times, which at this rate costs more than what is done with them here. Names are
-- joined by newlines, with one after the last (string_to_array makes nothing at all of ''), hence
-- the IS NOT NULL.

-- name: count_unique
INSERT INTO uniques AS u (key, until)
SELECT n.key, timestamptz 'epoch' + (n.at + 604800000000) * interval '1 microsecond'
FROM unnest($1::text::bigint[], $2::text::bigint[]) AS n (key, at)
ON CONFLICT (key) DO UPDATE SET until = excluded.until
WHERE u.until <= excluded.until - interval '7 days'
RETURNING key;

-- name: find_unique
SELECT key, until FROM uniques WHERE key = ANY ($1::text::bigint[]);

-- name: add_hourly
INSERT INTO hourly AS h (domain, tag, event, bot, hour, total, uniq)
SELECT n.domain, n.tag, n.event, n.bot, to_timestamp(n.hour * 3600), n.total, n.uniq
FROM unnest(
    $1::text::integer[], string_to_array($2, E'\n'), string_to_array($3, E'\n'),
    string_to_array($4, E'\n'), $5::text::bigint[], $6::text::bigint[], $7::text::bigint[]
) AS n (domain, tag, event, bot, hour, total, uniq)
WHERE n.domain IS NOT NULL
ON CONFLICT (domain, tag, event, bot, hour) DO UPDATE
SET total = h.total + excluded.total, uniq = h.uniq + excluded.uniq;

-- name: touch_late_days
INSERT INTO late_days (day) SELECT unnest($1::date[]) ORDER BY 1
ON CONFLICT (day) DO UPDATE SET touched_at = now();
