-- name: totals
-- Days older than $6 come from the daily counters, later hours from the hourly ones.
WITH counted AS (
    SELECT hour AS at, event, bot, total, uniq FROM hourly
    WHERE domain = $1 AND tag = $2 AND hour >= $3 AND hour < $4 AND hour >= $6
    UNION ALL
    SELECT day::timestamp AT TIME ZONE 'UTC', event, bot, total, uniq FROM daily
    WHERE domain = $1 AND tag = $2
      AND day >= ($3 AT TIME ZONE 'UTC')::date AND day < ($4 AT TIME ZONE 'UTC')::date
      AND day < ($6 AT TIME ZONE 'UTC')::date
)
SELECT date_trunc($5, at, 'UTC') AS time, event, sum(total)::bigint AS total,
       sum(uniq)::bigint AS uniq,
       coalesce(sum(total) FILTER (WHERE bot = ''), 0)::bigint AS people,
       coalesce(sum(uniq) FILTER (WHERE bot = ''), 0)::bigint AS unique_people
FROM counted GROUP BY 1, 2 ORDER BY 1, 2;

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
