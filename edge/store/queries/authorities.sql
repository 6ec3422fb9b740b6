-- name: note
INSERT INTO acme_authorities (directory, caa_identities, noted_at) VALUES ($1, $2, now())
ON CONFLICT (directory) DO UPDATE
SET caa_identities = excluded.caa_identities, noted_at = excluded.noted_at;

-- name: current
SELECT a.directory, a.url AS account, n.caa_identities AS identities
FROM acme_accounts a LEFT JOIN acme_authorities n ON n.directory = a.directory AND n.noted_at IS NOT NULL
WHERE a.current;

-- name: hold
LOCK TABLE certificate_hosts IN SHARE MODE;

-- name: pause
INSERT INTO acme_authorities (directory, paused_until) VALUES ($1, $2)
ON CONFLICT (directory) DO UPDATE SET paused_until = excluded.paused_until;

-- name: working
SELECT host FROM certificate_hosts WHERE until > $1 ORDER BY until DESC, host;
