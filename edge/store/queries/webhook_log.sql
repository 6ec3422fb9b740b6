-- name: page
-- The newest deliveries of these endpoints, looked for among the last ones of all: what is rare
-- there must not make a page read the whole log.
SELECT d.id, d.endpoint, m.name AS domain, d.event, d.event_at, d.type, d.queued_at, d.due,
       d.replayed, d.attempts, d.outcome, d.tried_at, d.status, d.duration_ms, d.answer, d.error
FROM webhook_deliveries d JOIN domains m ON m.number = d.domain
WHERE d.endpoint = ANY ($1::integer[]) AND ($2::integer IS NULL OR d.domain = $2)
  AND ($3::text IS NULL OR d.type = $3)
  AND CASE $4::text
      WHEN '' THEN true
      WHEN 'waiting' THEN d.due IS NOT NULL AND d.attempts = 0
      WHEN 'deferred' THEN d.due IS NOT NULL AND d.attempts > 0
      WHEN 'untaken' THEN d.outcome IS DISTINCT FROM 'taken' AND (d.due IS NULL OR d.attempts > 0)
      ELSE d.outcome = $4 END
  AND d.id > (SELECT coalesce(max(id), 0) FROM webhook_deliveries) - $5::bigint
  AND ($6::bigint IS NULL OR d.id < $6)
ORDER BY d.id DESC LIMIT $7;

-- name: of_event
SELECT d.id, d.endpoint, m.name AS domain, d.event, d.event_at, d.type, d.queued_at, d.due,
       d.replayed, d.attempts, d.outcome, d.tried_at, d.status, d.duration_ms, d.answer, d.error
FROM webhook_deliveries d JOIN domains m ON m.number = d.domain
WHERE d.event = $1 AND d.domain = $2 ORDER BY d.id LIMIT $3;

-- name: one
SELECT d.id, d.endpoint, m.name AS domain, d.event, d.event_at, d.type, d.queued_at, d.due,
       d.replayed, d.attempts, d.outcome, d.tried_at, d.status, d.duration_ms, d.answer, d.error
FROM webhook_deliveries d JOIN domains m ON m.number = d.domain WHERE d.id = $1;

-- name: urls
SELECT id, url, userinfo FROM endpoints WHERE id = ANY ($1::integer[]);

-- name: waiting
SELECT e.id, (SELECT count(*) FROM (
    SELECT FROM webhook_deliveries d WHERE d.endpoint = e.id AND d.due IS NOT NULL LIMIT $2
) AS counted) AS count, (
    SELECT min(d.due) FROM webhook_deliveries d WHERE d.endpoint = e.id AND d.due IS NOT NULL
) AS due, e.broken_at
FROM endpoints e WHERE e.id = ANY ($1::integer[]);

-- name: trouble
-- The last failure among what waits to be tried again.
SELECT tried_at, status, error, answer FROM (
    SELECT * FROM webhook_deliveries d WHERE d.endpoint = $1 AND d.due IS NOT NULL
    ORDER BY d.due DESC LIMIT 2000
) AS late WHERE attempts > 0 ORDER BY tried_at DESC LIMIT 1;

-- name: again
-- Not what waits already, and not what no webhook asks for any more.
UPDATE webhook_deliveries d
SET due = $2, queued_at = $2, attempts = 0, outcome = NULL, holder = ''
WHERE d.id = $1 AND d.due IS NULL AND EXISTS (
    SELECT FROM webhooks w
    WHERE w.endpoint = d.endpoint AND (w.domain IS NULL OR w.domain = d.domain)
      AND d.type = ANY (w.types));
