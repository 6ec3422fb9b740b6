-- name: add
INSERT INTO deliveries
    (id, message, domain, recipient, name, variables, accepted_at, due, expires_at)
SELECT n.id, n.message, n.domain, n.recipient, n.name, n.variables::jsonb, n.accepted_at, n.due,
       n.expires_at
FROM unnest(
    $1::bigint[], $2::bigint[], $3::integer[], $4::text[], $5::text[], $6::text[],
    $7::timestamptz[], $8::timestamptz[], $9::timestamptz[]
) AS n (id, message, domain, recipient, name, variables, accepted_at, due, expires_at);

-- name: waiting
-- The domains with something due, by one index look-up for each domain that has anything queued.
WITH RECURSIVE queued AS (
    (SELECT domain, due FROM deliveries WHERE due IS NOT NULL ORDER BY domain, due LIMIT 1)
    UNION ALL
    SELECT n.domain, n.due FROM queued q CROSS JOIN LATERAL (
        SELECT domain, due FROM deliveries
        WHERE due IS NOT NULL AND domain > q.domain ORDER BY domain, due LIMIT 1
    ) n
)
SELECT domain FROM queued WHERE due <= $1;

-- name: lease
WITH picked AS (
    SELECT d.id FROM unnest($1::integer[], $2::integer[]) AS w (domain, room)
    CROSS JOIN LATERAL (
        SELECT q.id FROM deliveries q
        WHERE q.domain = w.domain AND q.due IS NOT NULL AND q.due <= $3
        ORDER BY q.due LIMIT w.room
        FOR UPDATE SKIP LOCKED
    ) d
)
UPDATE deliveries q SET holder = $4, due = $5
FROM picked p WHERE q.id = p.id
RETURNING q.id, q.message, q.domain, q.recipient, q.name, q.variables, q.accepted_at, q.expires_at,
          q.attempts;

-- name: renew
UPDATE deliveries SET due = $3 WHERE id = ANY ($1::bigint[]) AND holder = $2;

-- name: reclaim
UPDATE deliveries SET due = $2, holder = ''
WHERE holder = $1 AND due IS NOT NULL AND id <> ALL ($3::bigint[]);

-- name: settle
UPDATE deliveries d
SET due = n.due, holder = '', attempts = n.attempts, outcome = n.outcome,
    finished_at = CASE WHEN n.due IS NULL THEN n.at END
FROM unnest(
    $2::bigint[], $3::timestamptz[], $4::smallint[], $5::text[], $6::timestamptz[]
) AS n (id, due, attempts, outcome, at)
WHERE d.id = n.id AND d.holder = $1 AND d.due IS NOT NULL
RETURNING d.id;

-- name: release
UPDATE deliveries SET due = $3, holder = '' WHERE id = ANY ($1::bigint[]) AND holder = $2;

-- name: queued
-- Counted up to a limit: how many there are beyond it makes no difference.
SELECT count(*) FROM (SELECT 1 FROM deliveries WHERE due IS NOT NULL LIMIT $1) AS found;

-- name: backlog
SELECT d.name, count(*), count(*) FILTER (WHERE q.holder <> ''),
       count(*) FILTER (WHERE q.attempts > 0), min(q.accepted_at), min(q.due)
FROM deliveries q JOIN domains d ON d.number = q.domain
WHERE q.due IS NOT NULL GROUP BY d.name ORDER BY d.name;

-- name: hurry
UPDATE deliveries SET due = $2
WHERE domain = $1 AND due > $2 AND holder = '' AND attempts > 0;

-- name: purge
-- Everything queued of a domain that nobody is sending at this moment.
UPDATE deliveries SET due = NULL, finished_at = $2, outcome = 'removed'
WHERE domain = $1 AND due IS NOT NULL AND holder = '';

-- name: expire
DELETE FROM deliveries WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM deliveries WHERE accepted_at < $1 AND due IS NULL LIMIT $2
));
