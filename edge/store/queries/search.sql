-- name: select
SELECT e.id, e.event, e.at, e.domain, e.recipient, e.message_id, e.method, e.repeat, e.url,
       e.position, e.ip, e.user_agent, e.client_type, e.client_os, e.device_type, e.client_name,
       e.country, e.region, e.city, e.network, e.bot, e.evidence, e.rules, e.tags, e.has_facts,
       e.is_unique, e.own_time, e.received_at, e.xid::text::bigint AS xid, e.severity,
       e.reason, e.detail,
       f.user_variables || coalesce(f.by_recipient -> e.recipient, '{}') AS user_variables,
       f.mailing_list, f.headers, f.about
FROM events e
LEFT JOIN message_facts f ON f.domain = e.domain AND f.message_id = e.message_id

-- name: count
SELECT count(*) FROM events e

-- name: count_joined
SELECT count(*) FROM events e
LEFT JOIN message_facts f ON f.domain = e.domain AND f.message_id = e.message_id

-- name: horizon
SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint;

-- name: span
-- The first and last hour in which tags ('' for the domain itself) or kinds of events (NULL for all)
-- were counted: from the ends of each counter's own stretch of the key, without reading its hours.
-- A kind may be counted apart by how and why: failed/permanent/bounce.
WITH RECURSIVE counters AS (
    SELECT t.tag, c.event, c.bot FROM unnest($2::text[]) AS t (tag) CROSS JOIN LATERAL (
        SELECT event, bot FROM hourly WHERE domain = $1 AND tag = t.tag
        ORDER BY event, bot LIMIT 1
    ) c
    UNION ALL
    SELECT c.tag, n.event, n.bot FROM counters c CROSS JOIN LATERAL (
        SELECT event, bot FROM hourly
        WHERE domain = $1 AND tag = c.tag AND (event, bot) > (c.event, c.bot)
        ORDER BY event, bot LIMIT 1
    ) n
), ends AS (
    SELECT (SELECT hour FROM hourly h
            WHERE h.domain = $1 AND h.tag = c.tag AND h.event = c.event AND h.bot = c.bot
            ORDER BY hour LIMIT 1) AS first,
           (SELECT hour FROM hourly h
            WHERE h.domain = $1 AND h.tag = c.tag AND h.event = c.event AND h.bot = c.bot
            ORDER BY hour DESC LIMIT 1) AS last
    FROM counters c
    WHERE $3::text[] IS NULL OR split_part(c.event, '/', 1) = ANY ($3)
)
SELECT min(first), max(last) + interval '1 hour', now() - interval '59 days' FROM ends;
