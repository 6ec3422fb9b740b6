-- name: take
INSERT INTO leases AS l (name, holder, until, token)
VALUES ($1, $2, now() + $3 * interval '1 second', 1)
ON CONFLICT (name) DO UPDATE
SET holder = excluded.holder, until = excluded.until,
    token = l.token + CASE WHEN l.holder = excluded.holder AND l.until > now() THEN 0 ELSE 1 END
WHERE l.holder = excluded.holder OR l.until <= now()
RETURNING token;

-- name: release
UPDATE leases SET until = now() WHERE name = $1 AND holder = $2;

-- name: holds
SELECT token FROM leases WHERE name = $1 AND holder = $2 AND token = $3 AND until > now() FOR UPDATE;
