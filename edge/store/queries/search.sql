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

-- name: tag_span
SELECT min(hour), max(hour) + interval '1 hour', now() - interval '59 days'
FROM hourly WHERE domain = $1 AND tag = ANY ($2);

-- name: kind_span
-- Failures are counted by how and why: failed/permanent/bounce.
SELECT min(hour), max(hour) + interval '1 hour', now() - interval '59 days'
FROM hourly WHERE domain = $1 AND tag = ''
  AND (event = ANY ($2) OR ($3 AND event >= 'failed/' AND event < 'failed0'));
