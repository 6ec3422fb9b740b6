-- name: delivery
SELECT id, message, domain, recipient, name, variables, accepted_at, expires_at, attempts
FROM deliveries WHERE id = $1 AND domain = $2;

-- name: first_delivery
SELECT id, message, domain, recipient, name, variables, accepted_at, expires_at, attempts
FROM deliveries WHERE message = $1 ORDER BY id LIMIT 1;

-- name: message
SELECT number, domain, key, message_id, accepted_at, sender, source, options
FROM messages WHERE number = $1;

-- name: recent
-- There is no index by domain: every message would pay for it. So only the newest of all domains
-- are looked at.
SELECT key, message_id, accepted_at, sender, size, head FROM (
    SELECT domain, number, key, message_id, accepted_at, sender, octet_length(source) AS size,
           substr(source, 1, 8192) AS head, source IS NOT NULL AS kept
    FROM messages ORDER BY number DESC LIMIT $2
) m
WHERE domain = $1 AND kept ORDER BY number DESC LIMIT $3;
