-- name: begin
INSERT INTO panel_sessions (digest, panel_user, created_at, seen_at, address, agent)
VALUES ($1, $2, $3, $3, $4, $5);

-- name: mark_user
UPDATE panel_users SET seen_at = $2 WHERE id = $1;

-- name: find
SELECT s.created_at, s.seen_at, u.id, u.name, u.role, u.totp IS NOT NULL AS has_totp
FROM panel_sessions s JOIN panel_users u ON u.id = s.panel_user
WHERE s.digest = $1 AND s.seen_at > $2 AND s.created_at > $3;

-- name: touch
UPDATE panel_sessions SET seen_at = $2 WHERE digest = $1 AND seen_at < $2;

-- name: end
DELETE FROM panel_sessions WHERE digest = $1;

-- name: end_all
DELETE FROM panel_sessions WHERE panel_user = $1 AND digest <> $2;

-- name: expire
DELETE FROM panel_sessions WHERE seen_at <= $1 OR created_at <= $2;

-- name: list
SELECT digest, created_at, seen_at, address, agent FROM panel_sessions
WHERE panel_user = $1 AND seen_at > $2 AND created_at > $3 ORDER BY seen_at DESC LIMIT 100;

-- name: surplus
DELETE FROM panel_sessions WHERE digest IN (
    SELECT digest FROM panel_sessions WHERE panel_user = $1 ORDER BY seen_at DESC OFFSET $2
);
