-- name: dkim
SELECT domain, selector, sealed FROM dkim_keys WHERE $1::integer[] IS NULL OR domain = ANY ($1);

-- name: put_dkim
INSERT INTO dkim_keys (domain, selector, sealed, created_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (domain) DO NOTHING;

-- name: routes
SELECT number, route FROM domains WHERE route IS NOT NULL;

-- name: set_route
UPDATE domains SET route = $2 WHERE number = $1;

-- name: limits
SELECT number, require_tls, skip_verification, message_ttl FROM domains;
