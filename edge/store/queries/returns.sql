-- name: by_delivery
-- Tried, or being tried: a server may return a message before its 250 is written down here.
SELECT d.id AS delivery, d.domain, n.name AS domain_name, d.recipient, d.accepted_at,
       m.message_id, m.sender, m.key, m.options
FROM deliveries d JOIN messages m ON m.number = d.message JOIN domains n ON n.number = d.domain
WHERE d.id = ANY ($1::bigint[]) AND (d.attempts > 0 OR d.holder <> '') AND ($2::integer IS NULL OR d.domain = $2)
ORDER BY d.id;

-- name: by_message
-- A message that was sent to this recipient; of several with one id the latest.
SELECT d.id AS delivery, d.domain, n.name AS domain_name, d.recipient, d.accepted_at,
       m.message_id, m.sender, m.key, m.options
FROM messages m JOIN deliveries d ON d.message = m.number JOIN domains n ON n.number = d.domain
WHERE m.message_id = $1 AND lower(d.recipient) = $2 AND (d.attempts > 0 OR d.holder <> '')
  AND ($3::integer IS NULL OR d.domain = $3)
ORDER BY d.accepted_at DESC LIMIT 1;

-- name: only_of_message
-- The recipient of a message that had one only.
SELECT d.id AS delivery, d.domain, n.name AS domain_name, d.recipient, d.accepted_at,
       m.message_id, m.sender, m.key, m.options
FROM messages m JOIN deliveries d ON d.message = m.number JOIN domains n ON n.number = d.domain
WHERE m.message_id = $1 AND (d.attempts > 0 OR d.holder <> '') AND ($2::integer IS NULL OR d.domain = $2)
LIMIT 2;

-- name: by_recipient
-- The last message of each domain that this recipient's server took in this time; one look-up of
-- an index for each domain.
SELECT e.message_id, e.recipient, n.number AS domain, n.name AS domain_name, e.at
FROM domains n CROSS JOIN LATERAL (
    SELECT message_id, recipient, at FROM events
    WHERE domain = n.number AND recipient = $1 AND event = 'delivered' AND at BETWEEN $2 AND $3
    ORDER BY at DESC LIMIT 1
) e
WHERE $4::integer IS NULL OR n.number = $4
LIMIT 10;

-- name: claim
INSERT INTO returns AS r (key, domain, recipient, kind, reason, counts, at, event_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (key) DO UPDATE SET seen = r.seen + 1
RETURNING seen;

-- name: run
-- How many failures count against an address since then, and on how many days they were.
SELECT count(*) AS failures, count(DISTINCT date_trunc('day', at, 'UTC')) AS days
FROM returns WHERE domain = $1 AND recipient = $2 AND at >= $3 AND counts;

-- name: expire
DELETE FROM returns WHERE ctid = ANY (ARRAY(SELECT ctid FROM returns WHERE at < $1 LIMIT $2));

-- name: keep
INSERT INTO unparsed_returns AS u
    (digest, first_at, last_at, domain, way, why, kind, sender, subject, envelope, octets, source)
SELECT $1, $2, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11
WHERE (SELECT count(*) FROM (SELECT 1 FROM unparsed_returns LIMIT $12) AS have) < $12
   OR EXISTS (SELECT 1 FROM unparsed_returns WHERE digest = $1)
ON CONFLICT (digest) DO UPDATE
SET seen = u.seen + 1, last_at = excluded.last_at, why = excluded.why, kind = excluded.kind
RETURNING number;

-- name: unparsed
SELECT number, first_at, last_at, seen, domain, way, why, kind, sender, subject, envelope, octets
FROM unparsed_returns WHERE number > $1 AND ($2::integer IS NULL OR domain = $2)
ORDER BY number LIMIT $3;

-- name: unparsed_one
SELECT number, first_at, last_at, seen, domain, way, why, kind, sender, subject, envelope, octets,
       source
FROM unparsed_returns WHERE number = $1;

-- name: forget
DELETE FROM unparsed_returns WHERE number = $1;
