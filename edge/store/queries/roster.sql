-- name: version
SELECT version FROM roster;

-- name: domains
SELECT number, name, web_prefix, web_scheme, open, click, unsubscribe, pixel_at_top,
       unsubscribe_on_get, https_redirect, retention_days, removed_at IS NOT NULL AS removed
FROM domains ORDER BY number;

-- name: footers
SELECT number, html_footer, text_footer FROM domains
WHERE removed_at IS NULL AND (html_footer <> $1 OR text_footer <> $2);

-- name: hosts
SELECT host, domain FROM hosts;

-- name: keys
SELECT id, state, sealed FROM keys WHERE state <> 'revoked' ORDER BY id;

-- name: thumbprint
SELECT thumbprint FROM acme_accounts WHERE current;

-- name: hsts
SELECT c.host, certificate_max_age(c.healthy_since, c.not_before, c.not_after, n.at) AS max_age
FROM (SELECT extract(epoch FROM now())::double precision AS at) n, certificates c
JOIN hosts h USING (host) JOIN domains d ON d.number = h.domain
WHERE d.web_scheme = 'https'
  AND certificate_max_age(c.healthy_since, c.not_before, c.not_after, n.at) > 0;

-- name: acknowledge
INSERT INTO edges AS e (id, name, roster_version) VALUES ($1, $2, $3)
ON CONFLICT (id) DO UPDATE SET name = excluded.name, roster_version = excluded.roster_version, seen_at = now();
