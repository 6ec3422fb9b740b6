-- name: verify_counters
WITH span AS (
    SELECT d.number AS domain,
           greatest(date_trunc('hour', c.first + interval '59 minutes', 'UTC'),
                    date_trunc('hour', d.retention_since, 'UTC'),
                    date_trunc('hour', $2::timestamptz, 'UTC')) AS start
    FROM domains d JOIN event_days c ON c.retention = d.retention_days
    WHERE $1::integer IS NULL OR d.number = $1
), stored AS (
    SELECT e.domain, t.tag, counted_as(e.event, e.severity, e.reason) AS event, e.bot,
           date_trunc('hour', e.at, 'UTC') AS hour,
           sum(e.repeat)::bigint AS total, count(*) FILTER (WHERE e.is_unique) AS uniq
    FROM events e JOIN span s ON s.domain = e.domain AND e.at >= s.start
    CROSS JOIN LATERAL (SELECT '' AS tag UNION ALL SELECT unnest(e.tags)) t
    GROUP BY 1, 2, 3, 4, 5
), counted AS (
    SELECT h.* FROM hourly h JOIN span s ON s.domain = h.domain AND h.hour >= s.start
)
SELECT domain, tag, event, bot, hour,
       coalesce(s.total, 0) AS stored_total, coalesce(c.total, 0) AS counted_total,
       coalesce(s.uniq, 0) AS stored_uniq, coalesce(c.uniq, 0) AS counted_uniq
FROM stored s FULL JOIN counted c USING (domain, tag, event, bot, hour)
WHERE (coalesce(s.total, 0), coalesce(s.uniq, 0)) <> (coalesce(c.total, 0), coalesce(c.uniq, 0))
ORDER BY domain, hour, tag, event, bot
LIMIT $3;

-- name: verify_daily
-- Closed days against the events, and months against their days.
WITH span AS (
    SELECT d.number AS domain,
           greatest((c.first AT TIME ZONE 'UTC')::date,
                    CASE WHEN d.retention_since = '-infinity' THEN '-infinity'::date
                    ELSE (d.retention_since AT TIME ZONE 'UTC')::date + 1 END) AS start
    FROM domains d JOIN event_days c ON c.retention = d.retention_days
    WHERE $1::integer IS NULL OR d.number = $1
), stored AS (
    SELECT e.domain, t.tag, counted_as(e.event, e.severity, e.reason) AS event, e.bot,
           (e.at AT TIME ZONE 'UTC')::date AS day,
           sum(e.repeat)::bigint AS total, count(*) FILTER (WHERE e.is_unique) AS uniq
    FROM events e
    JOIN span s ON s.domain = e.domain AND e.at >= s.start::timestamp AT TIME ZONE 'UTC'
    CROSS JOIN LATERAL (SELECT '' AS tag UNION ALL SELECT unnest(e.tags)) t
    WHERE e.at < $2::date::timestamp AT TIME ZONE 'UTC'
    GROUP BY 1, 2, 3, 4, 5
), counted AS (
    SELECT d.* FROM daily d JOIN span s ON s.domain = d.domain AND d.day >= s.start
    WHERE d.day < $2
)
SELECT domain, tag, event, bot, day,
       coalesce(s.total, 0) AS stored_total, coalesce(c.total, 0)::bigint AS counted_total,
       coalesce(s.uniq, 0) AS stored_uniq, coalesce(c.uniq, 0)::bigint AS counted_uniq
FROM stored s FULL JOIN counted c USING (domain, tag, event, bot, day)
WHERE (coalesce(s.total, 0), coalesce(s.uniq, 0)) <> (coalesce(c.total, 0), coalesce(c.uniq, 0))
  AND NOT EXISTS (SELECT 1 FROM late_days l WHERE l.day = coalesce(s.day, c.day))
ORDER BY domain, day, tag, event, bot
LIMIT $3;

-- name: verify_monthly
-- Only months all of whose days are still kept.
WITH summed AS (
    SELECT domain, tag, event, bot, date_trunc('month', day)::date AS month,
           sum(total)::bigint AS total, sum(uniq)::bigint AS uniq
    FROM daily
    WHERE day >= $2 AND ($1::integer IS NULL OR domain = $1)
    GROUP BY 1, 2, 3, 4, 5
), counted AS (
    SELECT * FROM monthly WHERE month >= $2 AND ($1::integer IS NULL OR domain = $1)
)
SELECT domain, tag, event, bot, month AS day,
       coalesce(s.total, 0) AS stored_total, coalesce(c.total, 0)::bigint AS counted_total,
       coalesce(s.uniq, 0) AS stored_uniq, coalesce(c.uniq, 0)::bigint AS counted_uniq
FROM summed s FULL JOIN counted c USING (domain, tag, event, bot, month)
WHERE (coalesce(s.total, 0), coalesce(s.uniq, 0)) <> (coalesce(c.total, 0), coalesce(c.uniq, 0))
ORDER BY domain, month, tag, event, bot
LIMIT $3;

-- name: verify_dimensions
-- One class's day, counted again as it was rolled up.
WITH stored AS (
    SELECT e.domain, t.tag, counted_as(e.event, e.severity, e.reason) AS event, e.bot,
           v.dimension, v.value, sum(e.repeat)::bigint AS total,
           count(*) FILTER (WHERE e.is_unique) AS uniq
    FROM events e
    CROSS JOIN LATERAL (SELECT '' AS tag UNION ALL SELECT unnest(e.tags)) t
    CROSS JOIN LATERAL (VALUES
        ('country', e.country),
        ('device', e.device_type),
        ('client', e.client_name),
        ('provider', lower(split_part(e.recipient, '@', -1))),
        ('link', e.url)
    ) v (dimension, value)
    WHERE e.retention = $2::smallint
      AND e.at >= $3::date::timestamp AT TIME ZONE 'UTC'
      AND e.at < ($3::date + 1)::timestamp AT TIME ZONE 'UTC'
      AND (v.dimension <> 'link' OR v.value <> '')
      AND ($1::integer IS NULL OR e.domain = $1)
    GROUP BY 1, 2, 3, 4, 5, 6
), counted AS (
    SELECT * FROM daily_dimensions
    WHERE retention = $2::smallint AND day = $3 AND ($1::integer IS NULL OR domain = $1)
)
SELECT domain, tag, event, bot, dimension, value,
       coalesce(s.total, 0) AS stored_total, coalesce(c.total, 0)::bigint AS counted_total,
       coalesce(s.uniq, 0) AS stored_uniq, coalesce(c.uniq, 0)::bigint AS counted_uniq
FROM stored s FULL JOIN counted c USING (domain, tag, event, bot, dimension, value)
WHERE (coalesce(s.total, 0), coalesce(s.uniq, 0)) <> (coalesce(c.total, 0), coalesce(c.uniq, 0))
ORDER BY domain, dimension, value, tag, event, bot
LIMIT $4;

-- name: verify_uniques
WITH span AS (
    SELECT d.number AS domain, greatest(c.first, d.retention_since) AS start
    FROM domains d JOIN event_days c ON c.retention = d.retention_days
    WHERE $1::integer IS NULL OR d.number = $1
), judged AS (
    SELECT e.domain, e.id, e.at, e.event, e.is_unique, s.start,
           max(e.at) FILTER (WHERE e.is_unique) OVER k AS last_counted,
           lag(e.at) OVER (PARTITION BY e.domain, e.message_id, e.recipient, e.event, e.bot,
                                        e.is_unique ORDER BY e.at, e.id) AS one_before
    FROM events e JOIN span s ON s.domain = e.domain AND e.at >= s.start
    WHERE e.event IN ('opened', 'clicked', 'unsubscribed')
    WINDOW k AS (PARTITION BY e.domain, e.message_id, e.recipient, e.event, e.bot)
)
SELECT domain, id, at, event, is_unique FROM judged
WHERE (is_unique AND at < one_before + interval '7 days')
   OR (NOT is_unique AND at >= start + interval '7 days'
       AND (last_counted IS NULL OR last_counted <= at - interval '7 days'))
ORDER BY domain, at, id
LIMIT $2;
