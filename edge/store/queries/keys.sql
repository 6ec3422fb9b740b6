-- name: lock
SELECT version FROM roster FOR UPDATE;

-- name: list
SELECT id, state, sealed, announced_version, created_at, changed_at FROM keys ORDER BY id;

-- name: next_id
SELECT coalesce(
    (SELECT max(id) + 1 FROM keys HAVING max(id) < 255),
    (SELECT id FROM keys WHERE state = 'revoked' ORDER BY changed_at, id LIMIT 1)
);

-- name: put
INSERT INTO keys (id, state, sealed, announced_version) VALUES ($1, $2, $3, $4)
ON CONFLICT (id) DO UPDATE SET state = excluded.state, sealed = excluded.sealed,
    announced_version = excluded.announced_version, created_at = now(), changed_at = now()
WHERE keys.state = 'revoked';

-- name: set_state
UPDATE keys SET state = $2, changed_at = now() WHERE id = $1;

-- name: due
SELECT a.id, (SELECT id FROM keys WHERE state = 'current') AS current
FROM keys a
WHERE a.state = 'announced' AND NOT EXISTS (
    SELECT 1 FROM edges e
    WHERE e.seen_at > now() - interval '60 seconds' AND e.roster_version < a.announced_version
);
