-- name: claim
UPDATE certificate_hosts
SET holder = $1, until = $2 + $3, token = nextval('certificate_tokens')
WHERE host = (
    SELECT host FROM certificate_hosts WHERE due <= $2 AND until <= $2
      AND NOT EXISTS (SELECT 1 FROM acme_authorities WHERE paused_until > $2)
      AND NOT EXISTS (
          SELECT 1 FROM edges
          WHERE seen_at > now() - interval '60 seconds'
            AND roster_version < (SELECT known_from FROM acme_accounts WHERE current)
      )
    ORDER BY due, host LIMIT 1 FOR UPDATE SKIP LOCKED
)
RETURNING host, state, order_key, token;

-- name: reclaim
UPDATE certificate_hosts SET holder = '', until = 0, token = nextval('certificate_tokens')
WHERE holder = $1 RETURNING host;

-- name: extend
UPDATE certificate_hosts SET until = $3 WHERE host = $1 AND token = $2 RETURNING host;

-- name: save
UPDATE certificate_hosts SET state = $3, order_key = $4, due = $5
WHERE host = $1 AND token = $2 RETURNING host;

-- name: release
UPDATE certificate_hosts
SET state = $3, order_key = $4, due = $5, holder = '', until = 0,
    token = nextval('certificate_tokens')
WHERE host = $1 AND token = $2 RETURNING host;

-- name: put
INSERT INTO certificates AS c (host, sealed_key, chain, digest, not_before, not_after, renewal_id,
                               imported, healthy_since, max_age)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, certificate_max_age($9, $5, $6, $9))
ON CONFLICT (host) DO UPDATE
SET sealed_key = excluded.sealed_key, chain = excluded.chain, digest = excluded.digest,
    not_before = excluded.not_before, not_after = excluded.not_after,
    renewal_id = excluded.renewal_id, imported = excluded.imported, stored_at = now(),
    healthy_since = CASE WHEN c.not_after > $9 THEN c.healthy_since ELSE $9 END,
    max_age = certificate_max_age(CASE WHEN c.not_after > $9 THEN c.healthy_since ELSE $9 END,
                                  excluded.not_before, excluded.not_after, $9);

-- name: get
SELECT sealed_key, chain, not_before, not_after, renewal_id FROM certificates WHERE host = $1;

-- name: request
INSERT INTO certificate_hosts (host, due, state) VALUES ($1, $2, $3)
ON CONFLICT (host) DO NOTHING RETURNING host;

-- name: nudge
UPDATE certificate_hosts
SET due = $2, until = 0, holder = '', token = nextval('certificate_tokens'),
    state = CASE WHEN $3 AND state ? 'validity' AND jsonb_typeof(state->'validity') = 'object'
                 THEN jsonb_set(state, '{validity,renew_at}', to_jsonb($2::double precision))
                 ELSE state END
        || jsonb_build_object('due', $2::double precision, 'failure', NULL, 'detached', false)
WHERE host = $1 AND until <= $2 RETURNING host;

-- name: forget
DELETE FROM certificate_hosts WHERE host = $1;

-- name: discard
DELETE FROM certificates WHERE host = $1;

-- name: show
SELECT h.host, d.name AS domain, h.domain AS number, d.web_scheme, d.removed_at IS NOT NULL AS removed,
       ch.state, coalesce(ch.until, 0) AS until, c.not_before, c.not_after,
       coalesce(c.chain, '') AS chain, coalesce(c.imported, false) AS imported
FROM hosts h JOIN domains d ON d.number = h.domain
LEFT JOIN certificate_hosts ch ON ch.host = h.host LEFT JOIN certificates c ON c.host = h.host
WHERE h.host = $1;

-- name: list
SELECT h.host, d.name AS domain, h.domain AS number, d.web_scheme, d.removed_at IS NOT NULL AS removed,
       ch.state, coalesce(ch.until, 0) AS until, c.not_before, c.not_after,
       coalesce(c.chain, '') AS chain, coalesce(c.imported, false) AS imported
FROM hosts h JOIN domains d ON d.number = h.domain
LEFT JOIN certificate_hosts ch ON ch.host = h.host LEFT JOIN certificates c ON c.host = h.host
WHERE ch.host IS NOT NULL OR c.host IS NOT NULL
ORDER BY c.not_after NULLS FIRST, h.host LIMIT $1;

-- name: digests
SELECT host, digest FROM certificates;

-- name: files
SELECT host, sealed_key, chain FROM certificates WHERE host = ANY ($1);

-- name: ends
SELECT host, not_after FROM certificates ORDER BY not_after, host LIMIT $1;

-- name: ramp_due
SELECT EXISTS (
    SELECT 1 FROM certificates
    WHERE max_age <> certificate_max_age(healthy_since, not_before, not_after, $1)
);

-- name: ramp
UPDATE certificates SET max_age = certificate_max_age(healthy_since, not_before, not_after, $1)
WHERE max_age <> certificate_max_age(healthy_since, not_before, not_after, $1);

-- name: lapsed
SELECT c.host FROM certificates c JOIN hosts h USING (host) JOIN domains d ON d.number = h.domain
WHERE d.removed_at IS NOT NULL AND c.not_after < $1 LIMIT 1000;

-- name: ending
SELECT c.host, c.not_before, c.not_after, c.imported
FROM certificates c JOIN hosts h ON h.host = c.host JOIN domains d ON d.number = h.domain
LEFT JOIN certificate_hosts ch ON ch.host = c.host
WHERE c.not_after - $1 < (c.not_after - c.not_before) / 4
  -- A removed domain whose DNS leads elsewhere has left: that its certificate ends is right.
  AND (d.removed_at IS NULL OR ch.state->'failure'->>'who' IS DISTINCT FROM 'customer')
ORDER BY c.not_after LIMIT 1000;

-- name: refused
SELECT host, state->'failure'->>'text' AS text FROM certificate_hosts
WHERE state->'failure'->>'who' = 'operator' AND (state->'failure'->>'at')::double precision > $1
ORDER BY (state->'failure'->>'at')::double precision DESC LIMIT 10;

-- name: raise
INSERT INTO certificate_alarms AS a (subject, raised_at) VALUES ($1, $2)
ON CONFLICT (subject) DO UPDATE SET raised_at = excluded.raised_at
WHERE a.raised_at <= excluded.raised_at - $3 RETURNING subject;

-- name: forget_alarms
DELETE FROM certificate_alarms WHERE raised_at < $1;

-- name: account
SELECT directory, key, url, next_key, changing_since, revision FROM acme_accounts WHERE directory = $1;

-- name: current_account
SELECT directory, key, url, next_key, changing_since, revision FROM acme_accounts WHERE current;

-- name: add_account
INSERT INTO acme_accounts (directory, key, thumbprint, url, next_key, changing_since, revision)
VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (directory) DO NOTHING RETURNING revision;

-- name: change_account
UPDATE acme_accounts
SET key = $2, thumbprint = $3, url = $4, next_key = $5, changing_since = $6, revision = $7,
    known_from = CASE WHEN thumbprint = $3 THEN known_from
                      ELSE (SELECT version + 1 FROM roster) END
WHERE directory = $1 AND revision = $7 - 1 RETURNING revision;

-- name: unset_current
UPDATE acme_accounts SET current = false WHERE current;

-- name: set_current
UPDATE acme_accounts SET current = true, known_from = (SELECT version + 1 FROM roster)
WHERE directory = $1;

-- name: lock
SELECT version FROM roster FOR UPDATE;

-- name: is_current
SELECT EXISTS (SELECT 1 FROM acme_accounts WHERE directory = $1 AND current);

-- name: behind
SELECT count(*) FROM edges
WHERE seen_at > now() - interval '60 seconds'
  AND roster_version < (SELECT known_from FROM acme_accounts WHERE current);

-- name: hold_levels
INSERT INTO acme_budgets (key, level)
SELECT key, 0 FROM unnest($1::text[]) AS key ORDER BY key COLLATE "C" ON CONFLICT (key) DO NOTHING;

-- name: levels
SELECT key, level FROM acme_budgets WHERE key = ANY ($1) ORDER BY key FOR UPDATE;

-- name: set_levels
UPDATE acme_budgets b SET level = n.level
FROM unnest($1::text[], $2::double precision[]) AS n (key, level) WHERE b.key = n.key;

-- name: forget_levels
DELETE FROM acme_budgets WHERE level < $1;
