-- name: list
SELECT number, name, web_prefix, web_scheme, open, click, unsubscribe, pixel_at_top,
       unsubscribe_on_get, https_redirect, retention_days, removed_at IS NOT NULL AS removed
FROM domains WHERE $1::text IS NULL OR name = $1 ORDER BY name;

-- name: add
INSERT INTO domains (name, web_prefix, web_scheme, open, click, unsubscribe, pixel_at_top,
                     unsubscribe_on_get, https_redirect, retention_days)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (name) DO UPDATE
SET web_prefix = excluded.web_prefix, web_scheme = excluded.web_scheme, open = excluded.open,
    click = excluded.click, unsubscribe = excluded.unsubscribe,
    pixel_at_top = excluded.pixel_at_top, unsubscribe_on_get = excluded.unsubscribe_on_get,
    https_redirect = excluded.https_redirect,
    retention_days = excluded.retention_days, removed_at = NULL,
    html_footer = DEFAULT, text_footer = DEFAULT, spam_action = DEFAULT, wildcard = DEFAULT,
    require_tls = DEFAULT, skip_verification = DEFAULT, message_ttl = DEFAULT, archive_to = DEFAULT,
    retention_since = CASE WHEN domains.retention_days = excluded.retention_days THEN domains.retention_since
        ELSE now() + interval '1 hour' END
WHERE domains.removed_at IS NOT NULL
RETURNING number;

-- name: set
UPDATE domains SET web_prefix = $2, web_scheme = $3, open = $4, click = $5, unsubscribe = $6,
       pixel_at_top = $7, unsubscribe_on_get = $8, https_redirect = $9, retention_days = $10,
       retention_since = CASE WHEN domains.retention_days = $10 THEN domains.retention_since
        ELSE now() + interval '1 hour' END
WHERE name = $1 AND removed_at IS NULL RETURNING number;

-- name: remove
UPDATE domains SET removed_at = now() WHERE name = $1 AND removed_at IS NULL RETURNING number;

-- name: claim_host
INSERT INTO hosts AS h (host, domain) VALUES ($1, $2)
ON CONFLICT (host) DO UPDATE SET domain = h.domain WHERE h.domain <> excluded.domain
RETURNING domain;

-- name: hosts
SELECT host FROM hosts WHERE domain = $1 ORDER BY created_at, host;

-- name: classes
SELECT count(DISTINCT retention_days) FROM domains WHERE removed_at IS NULL;

-- name: revoke_keys
UPDATE api_keys SET revoked_at = now() WHERE domain = $1 AND revoked_at IS NULL;

-- name: remove_credentials
DELETE FROM credentials WHERE domain = $1;

-- name: lock
SELECT number FROM domains WHERE name = $1 FOR UPDATE;
