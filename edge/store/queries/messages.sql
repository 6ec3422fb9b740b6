-- name: block
SELECT nextval('sending_numbers');

-- name: add
INSERT INTO messages (number, domain, key, message_id, accepted_at, sender, source, options)
SELECT n.number, n.domain, n.key, n.message_id, n.accepted_at, n.sender, n.source, n.options::jsonb
FROM unnest(
    $1::bigint[], $2::integer[], $3::text[], $4::text[], $5::timestamptz[], $6::text[],
    $7::bytea[], $8::text[]
) AS n (number, domain, key, message_id, accepted_at, sender, source, options);

-- name: get
SELECT number, domain, key, message_id, accepted_at, sender, source, options
FROM messages WHERE key = $1 AND domain = $2;

-- name: recipients
SELECT recipient FROM deliveries WHERE message = $1 ORDER BY id LIMIT $2;

-- name: accepted
SELECT recipient FROM events
WHERE domain = $1 AND message_id = $2 AND event = 'accepted' ORDER BY recipient LIMIT $3;

-- name: load
-- Large ones are fetched one by one, by whoever has room for them.
SELECT number, domain, key, message_id, accepted_at, sender, options,
       octet_length(source) AS size, CASE WHEN octet_length(source) <= $2 THEN source END AS source
FROM messages WHERE number = ANY ($1::bigint[]);

-- name: source
SELECT source FROM messages WHERE number = $1;

-- name: expire_sources
UPDATE messages SET source = NULL WHERE ctid = ANY (ARRAY(
    SELECT m.ctid FROM messages m
    WHERE m.accepted_at < $1 AND m.source IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM deliveries d WHERE d.message = m.number AND d.due IS NOT NULL
    )
    LIMIT $2
));

-- name: expire
DELETE FROM messages WHERE ctid = ANY (ARRAY(
    SELECT m.ctid FROM messages m WHERE m.accepted_at < $1 AND NOT EXISTS (
        SELECT 1 FROM deliveries d WHERE d.message = m.number
    )
    LIMIT $2
));
