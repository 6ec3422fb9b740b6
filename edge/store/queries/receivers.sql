-- name: show
SELECT sealed, created_at, expires_at FROM receivers WHERE account = $1 AND expires_at > $2;

-- name: remove
DELETE FROM receivers WHERE account = $1;

-- name: add
INSERT INTO receivers (account, digest, sealed, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5);

-- name: find
SELECT account FROM receivers WHERE digest = $1 AND expires_at > $2;

-- name: lock
-- Whoever takes one in waits for the other, so that there are never more than may be kept.
SELECT account FROM receivers WHERE account = $1 AND digest = $2 FOR NO KEY UPDATE;

-- name: take
INSERT INTO receipts (account, at, address, headers, body, mailgun, whole)
VALUES ($1, $2, $3, $4, $5, $6, $7);

-- name: trim
DELETE FROM receipts WHERE account = $1 AND id <= (
    SELECT id FROM receipts WHERE account = $1 ORDER BY id DESC OFFSET $2 LIMIT 1
);

-- name: receipts
SELECT id, at, address, headers, body, mailgun, whole FROM receipts
WHERE account = $1 ORDER BY id DESC LIMIT $2;

-- name: expire
DELETE FROM receivers WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM receivers WHERE expires_at < $1 LIMIT $2
));
