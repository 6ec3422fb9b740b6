-- name: add
INSERT INTO outbox (delivery, domain, recipient, at, sender, message)
SELECT * FROM unnest(
    $1::bigint[], $2::integer[], $3::text[], $4::timestamptz[], $5::text[], $6::bytea[]
)
ON CONFLICT (delivery) DO NOTHING;

-- name: list
SELECT delivery, recipient, at, sender, octet_length(message) AS size, substr(message, 1, 8192) AS head
FROM outbox WHERE domain = $1 AND ($2::timestamptz IS NULL OR (at, delivery) < ($2, $3))
ORDER BY at DESC, delivery DESC LIMIT $4;

-- name: line
SELECT delivery, recipient, at, sender, octet_length(message) AS size, ''::bytea AS head
FROM outbox WHERE domain = $1 AND delivery = $2;

-- name: get
SELECT message FROM outbox WHERE domain = $1 AND delivery = $2;

-- name: expire
DELETE FROM outbox WHERE ctid = ANY (ARRAY(SELECT ctid FROM outbox WHERE at < $1 LIMIT $2));
