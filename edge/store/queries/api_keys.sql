-- name: list
SELECT k.id, k.name, k.role, k.prefix, k.digest, k.domain, d.name AS domain_name, k.created_at,
       k.expires_at, k.last_used_at, k.revoked_at
FROM api_keys k LEFT JOIN domains d ON d.number = k.domain
WHERE $1::text IS NULL OR k.prefix = $1 ORDER BY k.id;

-- name: add
INSERT INTO api_keys (name, role, prefix, digest, domain, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id;

-- name: revoke
UPDATE api_keys SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL RETURNING id;

-- name: used
UPDATE api_keys SET last_used_at = $2
WHERE id = $1 AND (last_used_at IS NULL OR last_used_at <= $2::timestamptz - interval '1 minute');
