-- name: called
-- Whom events of these domains are told to.
SELECT w.account, w.domain, w.endpoint, w.types
FROM webhooks w JOIN endpoints e ON e.id = w.endpoint
WHERE (w.domain IS NULL OR w.domain = ANY ($1::integer[])) AND NOT e.is_full;

-- name: waiting
-- The endpoints with something due, by one index look-up for each that has anything queued.
WITH RECURSIVE queued AS (
    (SELECT endpoint, due FROM webhook_deliveries WHERE due IS NOT NULL
     ORDER BY endpoint, due LIMIT 1)
    UNION ALL
    SELECT n.endpoint, n.due FROM queued q CROSS JOIN LATERAL (
        SELECT endpoint, due FROM webhook_deliveries
        WHERE due IS NOT NULL AND endpoint > q.endpoint ORDER BY endpoint, due LIMIT 1
    ) n
)
SELECT q.due, e.id, e.account, e.url, e.userinfo, e.retried, e.paused_at, e.broken_until, e.is_full
FROM queued q JOIN endpoints e ON e.id = q.endpoint
WHERE q.due <= $1;

-- name: lease
-- "wanted": a webhook still asks for it. By an array of ids, because a join would read the whole
-- table while that is small or its statistics are old.
UPDATE webhook_deliveries q SET holder = $4, due = $5
WHERE q.id = ANY (ARRAY(
    SELECT d.id FROM unnest($1::integer[], $2::integer[]) AS w (endpoint, room)
    CROSS JOIN LATERAL (
        SELECT o.id FROM webhook_deliveries o
        WHERE o.endpoint = w.endpoint AND o.due IS NOT NULL AND o.due <= $3
        ORDER BY o.due LIMIT w.room
        FOR UPDATE SKIP LOCKED
    ) d
))
RETURNING q.id, q.endpoint, q.domain, q.retention, q.event_at, q.event, q.type, q.attempts,
          q.replayed, EXISTS (
              SELECT FROM webhooks w
              WHERE w.endpoint = q.endpoint AND (w.domain IS NULL OR w.domain = q.domain)
                AND q.type = ANY (w.types)
          ) AS wanted;

-- name: events
-- In the place of the events in the statement that selects them. OFFSET 0 keeps the planner from
-- making a join of it, which would read whole days.
FROM unnest($1::smallint[], $2::timestamptz[], $3::integer[], $4::bytea[])
     AS u (retention, at, domain, id)
CROSS JOIN LATERAL (
    SELECT * FROM events o
    WHERE o.retention = u.retention AND o.at = u.at AND o.domain = u.domain AND o.id = u.id
    OFFSET 0
) e

-- name: settle
UPDATE webhook_deliveries d
SET due = n.due, holder = '', attempts = n.attempts, outcome = n.outcome,
    tried_at = coalesce(n.tried_at, d.tried_at), status = n.status, duration_ms = n.duration_ms,
    answer = n.answer, error = n.error
FROM unnest(
    $2::bigint[], $3::timestamptz[], $4::smallint[], $5::text[], $6::timestamptz[], $7::smallint[],
    $8::integer[], $9::text[], $10::text[]
) AS n (id, due, attempts, outcome, tried_at, status, duration_ms, answer, error)
WHERE d.id = n.id AND d.id = ANY ($2::bigint[]) AND d.holder = $1 AND d.due IS NOT NULL
RETURNING d.id;

-- name: release
UPDATE webhook_deliveries SET due = $3, holder = '' WHERE id = ANY ($1::bigint[]) AND holder = $2;

-- name: reclaim
UPDATE webhook_deliveries SET due = $2, holder = ''
WHERE due IS NOT NULL AND holder = $1 AND id <> ALL ($3::bigint[]);

-- name: give_up
-- Of endpoints that are not called: what has been due since before a time.
UPDATE webhook_deliveries SET due = NULL, outcome = 'expired'
WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM webhook_deliveries
    WHERE endpoint = ANY ($1::integer[]) AND due IS NOT NULL AND due < $2 LIMIT $3
));

-- name: break
UPDATE endpoints
SET broken_until = $2::timestamptz,
    broken_at = CASE WHEN $2::timestamptz IS NOT NULL THEN coalesce(broken_at, $3::timestamptz) END
WHERE id = $1;

-- name: fill
-- Marks the endpoints for which as much waits as may, and clears the mark of the others.
UPDATE endpoints e SET is_full = n.is_full
FROM (
    SELECT id, (
        SELECT count(*) FROM (
            SELECT FROM webhook_deliveries d WHERE d.endpoint = o.id AND d.due IS NOT NULL LIMIT $1
        ) AS counted
    ) >= $1 AS is_full
    FROM endpoints o
) n
WHERE e.id = n.id AND e.is_full <> n.is_full
RETURNING e.id, e.is_full;

-- name: depth
SELECT count(*), min(due) FROM (
    SELECT due FROM webhook_deliveries WHERE due IS NOT NULL LIMIT $1
) AS counted;

-- name: backlog
SELECT d.endpoint, count(*), min(d.due) FROM webhook_deliveries d
WHERE d.due IS NOT NULL AND d.endpoint = ANY ($1::integer[]) GROUP BY d.endpoint;

-- name: broken
SELECT id FROM endpoints WHERE broken_until IS NOT NULL ORDER BY id LIMIT $1;

-- name: log
SELECT d.id, d.endpoint, m.name AS domain, d.event, d.event_at, d.type, d.queued_at, d.due,
       d.replayed, d.attempts, d.outcome, d.tried_at, d.status, d.duration_ms, d.answer, d.error
FROM webhook_deliveries d JOIN domains m ON m.number = d.domain
WHERE d.endpoint = ANY ($1::integer[]) AND ($2::integer IS NULL OR d.domain = $2)
  AND ($3::text IS NULL OR d.type = $3) AND (NOT $4 OR d.outcome IS DISTINCT FROM 'taken')
  AND (d.attempts > 0 OR d.outcome IS NOT NULL OR $5)
ORDER BY d.id DESC LIMIT $6;

-- name: replay
-- One page of the stored events that an endpoint is to be told of once more; where it ends.
WITH found AS (
    SELECT e.retention, e.at, e.domain, e.id,
           CASE e.event WHEN 'failed' THEN e.severity || '_fail' ELSE e.event END AS type
    FROM events e
    LEFT JOIN message_facts f ON f.domain = e.domain AND f.message_id = e.message_id
    WHERE {conditions}
    ORDER BY e.at, e.id LIMIT {limit}
), wanted AS (
    SELECT f.* FROM found f WHERE EXISTS (
        SELECT FROM webhooks w
        WHERE w.endpoint = {endpoint} AND (w.domain IS NULL OR w.domain = f.domain)
          AND f.type = ANY (w.types))
), queued AS (
    INSERT INTO webhook_deliveries
        (endpoint, domain, retention, event_at, event, type, queued_at, due, replayed)
    SELECT {endpoint}, domain, retention, at, id, type, {now}, {now}, true FROM wanted
    WHERE {queue}
)
SELECT (SELECT count(*) FROM wanted), count(*), max(at),
       (array_agg(id ORDER BY at DESC, id DESC))[1] FROM found;

-- name: again
-- Queues anew what an endpoint never took.
UPDATE webhook_deliveries SET due = $3, queued_at = $3, attempts = 0, outcome = NULL, holder = ''
WHERE endpoint = $1 AND due IS NULL AND queued_at >= $2
  AND outcome IN ('failed', 'expired', 'rejected');

-- name: expire_taken
DELETE FROM webhook_deliveries WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM webhook_deliveries
    WHERE queued_at < $1 AND due IS NULL AND outcome = 'taken' LIMIT $2
));

-- name: expire
DELETE FROM webhook_deliveries WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM webhook_deliveries WHERE queued_at < $1 AND due IS NULL LIMIT $2
));
