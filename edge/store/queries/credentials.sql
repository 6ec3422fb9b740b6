-- name: list
SELECT c.login, c.created_at, c.changed_at FROM credentials c
WHERE c.domain = $1 ORDER BY c.login LIMIT $2 OFFSET $3;

-- name: count
SELECT count(*) FROM credentials WHERE domain = $1;

-- name: add
INSERT INTO credentials (domain, login, salt, n, r, p, digest, created_at, changed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8) ON CONFLICT DO NOTHING RETURNING login;

-- name: set_password
UPDATE credentials SET salt = $3, n = $4, r = $5, p = $6, digest = $7, changed_at = $8
WHERE domain = $1 AND login = $2 RETURNING login;

-- name: remove
DELETE FROM credentials WHERE domain = $1 AND login = $2 RETURNING login;

-- name: remove_all
DELETE FROM credentials WHERE domain = $1;

-- name: secret
SELECT c.domain, c.salt, c.n, c.r, c.p, c.digest
FROM credentials c JOIN domains d ON d.number = c.domain
WHERE c.login = $1 AND d.removed_at IS NULL;
