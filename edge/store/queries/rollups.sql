-- name: take_late_days
DELETE FROM late_days RETURNING day;

-- name: last_run
SELECT day FROM rollup_run;

-- name: note_run
INSERT INTO rollup_run (day) VALUES ($1)
ON CONFLICT (one) DO UPDATE SET day = excluded.day WHERE rollup_run.day <> excluded.day;

-- name: see_tags
-- Tags of messages that were sent elsewhere are first heard of here. A deleted one comes back when
-- it is counted in an hour that began after that.
INSERT INTO tags AS t (domain, tag, first_seen, last_seen)
SELECT domain, tag, min(hour), max(hour) FROM hourly
WHERE tag <> '' AND hour >= $1
GROUP BY domain, tag ORDER BY domain, tag
ON CONFLICT (domain, tag) DO UPDATE
SET last_seen = greatest(t.last_seen, excluded.last_seen),
    deleted_at = CASE WHEN excluded.last_seen > t.deleted_at THEN NULL ELSE t.deleted_at END
WHERE excluded.last_seen > t.last_seen OR excluded.last_seen > t.deleted_at;

-- name: unroll_day
DELETE FROM rolled_days WHERE day = ANY ($1::date[]);

-- name: clear_day
DELETE FROM daily d WHERE d.day = $1 AND NOT EXISTS (
    SELECT 1 FROM hourly h
    WHERE h.domain = d.domain AND h.tag = d.tag AND h.event = d.event AND h.bot = d.bot
      AND h.hour >= $1::date::timestamp AT TIME ZONE 'UTC'
      AND h.hour < ($1::date + 1)::timestamp AT TIME ZONE 'UTC'
);

-- name: roll_day
INSERT INTO daily AS d (domain, tag, event, bot, day, total, uniq)
SELECT domain, tag, event, bot, $1::date, sum(total), sum(uniq)
FROM hourly
WHERE hour >= $1::date::timestamp AT TIME ZONE 'UTC'
  AND hour < ($1::date + 1)::timestamp AT TIME ZONE 'UTC'
GROUP BY domain, tag, event, bot
ORDER BY domain, tag, event, bot
ON CONFLICT (domain, tag, event, bot, day) DO UPDATE
SET total = excluded.total, uniq = excluded.uniq
WHERE (d.total, d.uniq) <> (excluded.total, excluded.uniq);

-- name: roll_month
INSERT INTO monthly AS m (domain, tag, event, bot, month, total, uniq)
SELECT domain, tag, event, bot, $1::date, sum(total), sum(uniq)
FROM daily
WHERE day >= $1::date AND day < ($1::date + interval '1 month')::date
GROUP BY domain, tag, event, bot
ORDER BY domain, tag, event, bot
ON CONFLICT (domain, tag, event, bot, month) DO UPDATE
SET total = excluded.total, uniq = excluded.uniq
WHERE (m.total, m.uniq) <> (excluded.total, excluded.uniq);

-- name: is_rolled
SELECT 1 FROM rolled_days WHERE retention = $1 AND day = $2;

-- name: clear_dimensions
DELETE FROM daily_dimensions WHERE retention = $1 AND day = $2;

-- name: roll_dimensions
INSERT INTO daily_dimensions
    (day, retention, domain, tag, event, bot, dimension, value, total, uniq)
SELECT $2::date, $1::smallint, e.domain, t.tag, counted_as(e.event, e.severity, e.reason), e.bot,
       v.dimension, v.value,
       sum(e.repeat), count(*) FILTER (WHERE e.is_unique)
FROM events e
CROSS JOIN LATERAL (SELECT '' AS tag UNION ALL SELECT unnest(e.tags)) t
CROSS JOIN LATERAL (VALUES
    ('country', e.country),
    ('device', e.device_type),
    ('client', e.client_name),
    ('provider', lower(split_part(e.recipient, '@', -1))),
    ('link', e.url)
) v (dimension, value)
WHERE e.retention = $1::smallint
  AND e.at >= $2::date::timestamp AT TIME ZONE 'UTC'
  AND e.at < ($2::date + 1)::timestamp AT TIME ZONE 'UTC'
  AND (v.dimension <> 'link' OR v.value <> '')
GROUP BY e.domain, t.tag, counted_as(e.event, e.severity, e.reason), e.bot, v.dimension, v.value;

-- name: mark_rolled
INSERT INTO rolled_days (retention, day) VALUES ($1, $2) ON CONFLICT DO NOTHING;
