-- name: dkim
SELECT domain, selector, sealed FROM dkim_keys WHERE $1::integer[] IS NULL OR domain = ANY ($1);

-- name: put_dkim
INSERT INTO dkim_keys (domain, selector, sealed, created_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (domain) DO NOTHING;

-- name: set_selector
-- The domain's row is touched so that the roster moves on, by which senders see that there is news.
WITH changed AS (UPDATE dkim_keys SET selector = $2 WHERE domain = $1 RETURNING domain)
UPDATE domains SET route = route WHERE number IN (SELECT domain FROM changed);

-- name: routes
SELECT number, route FROM domains WHERE route IS NOT NULL;

-- name: set_route
UPDATE domains SET route = $2 WHERE number = $1;

-- name: limits
SELECT number, require_tls, skip_verification, message_ttl FROM domains;
