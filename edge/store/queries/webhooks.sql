-- name: lock
-- Changes of an account's webhooks wait for each other. Not FOR UPDATE: that would hold up everyone
-- who writes a row that names the account.
SELECT id FROM accounts WHERE id = $1 FOR NO KEY UPDATE;

-- name: account
SELECT account FROM domains WHERE number = $1;

-- name: select
SELECT w.number, w.account, w.domain, w.types, w.key, w.description, w.created_at,
       e.id, e.url, e.userinfo, e.retried, e.paused_at, e.broken_until, e.is_full
FROM webhooks w JOIN endpoints e ON e.id = w.endpoint

-- name: endpoint
-- One that nobody named any more starts anew: what was set for it went with its last webhook.
INSERT INTO endpoints AS e (account, url, userinfo, created_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (account, url, userinfo) DO UPDATE
SET paused_at = CASE WHEN EXISTS (SELECT FROM webhooks w WHERE w.endpoint = e.id)
                     THEN e.paused_at END,
    retried = CASE WHEN EXISTS (SELECT FROM webhooks w WHERE w.endpoint = e.id) THEN e.retried END
RETURNING id;

-- name: put
INSERT INTO webhooks (account, domain, endpoint, types, key, description, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (account, domain, endpoint) DO UPDATE SET types = excluded.types;

-- name: change
UPDATE webhooks SET endpoint = $2, types = $3, description = $4 WHERE number = $1;

-- name: remove
DELETE FROM webhooks WHERE number = ANY ($1::integer[]);

-- name: remove_domain
DELETE FROM webhooks WHERE domain = $1 RETURNING endpoint;

-- name: drop
-- What is queued for these endpoints and no longer wanted by anybody, but for what is being sent.
UPDATE webhook_deliveries SET due = NULL, outcome = 'removed'
WHERE ctid = ANY (ARRAY(
    SELECT d.ctid FROM webhook_deliveries d
    WHERE d.endpoint = ANY ($1::integer[]) AND d.due IS NOT NULL AND d.holder = ''
      AND NOT EXISTS (
        SELECT FROM webhooks w
        WHERE w.endpoint = d.endpoint AND (w.domain IS NULL OR w.domain = d.domain)
          AND d.type = ANY (w.types))
    LIMIT $2
));

-- name: find_endpoint
SELECT id, account, url, userinfo, retried, paused_at, broken_until, is_full
FROM endpoints WHERE id = $1;

-- name: pause
UPDATE endpoints SET paused_at = $2::timestamptz
WHERE id = $1 AND (paused_at IS NULL) = ($2::timestamptz IS NOT NULL);

-- name: retry
UPDATE endpoints SET retried = $2 WHERE id = $1;

-- name: key
SELECT sealed, previous, previous_until FROM signing_keys WHERE account = $1;

-- name: keys
SELECT account, sealed, previous, previous_until FROM signing_keys;

-- name: first_key
INSERT INTO signing_keys (account, sealed, changed_at) VALUES ($1, $2, $3)
ON CONFLICT (account) DO NOTHING;

-- name: set_key
INSERT INTO signing_keys AS k (account, sealed, changed_at) VALUES ($1, $2, $3)
ON CONFLICT (account) DO UPDATE
SET sealed = excluded.sealed, changed_at = excluded.changed_at,
    previous = CASE WHEN $4::timestamptz IS NULL THEN NULL
                    WHEN k.sealed = excluded.sealed THEN k.previous ELSE k.sealed END,
    previous_until = CASE WHEN k.sealed = excluded.sealed AND $4::timestamptz IS NOT NULL THEN k.previous_until
                          ELSE $4 END;
