-- name: list
SELECT id, name, role, totp IS NOT NULL AS has_totp, created_at, changed_at, seen_at
FROM panel_users ORDER BY name;

-- name: get
SELECT id, name, role, totp IS NOT NULL AS has_totp, created_at, changed_at, seen_at
FROM panel_users WHERE name = $1;

-- name: secret
SELECT id, password, totp, totp_step FROM panel_users WHERE name = $1;

-- name: add
INSERT INTO panel_users (name, role, password, created_at, changed_at)
VALUES ($1, $2, $3, $4, $4) ON CONFLICT (name) DO NOTHING RETURNING id;

-- name: set_password
UPDATE panel_users SET password = $2, changed_at = $3 WHERE id = $1;

-- name: set_role
UPDATE panel_users SET role = $2, changed_at = $3 WHERE id = $1;

-- name: set_totp
UPDATE panel_users SET totp = $2, totp_step = 0, changed_at = $3 WHERE id = $1;

-- name: use_step
UPDATE panel_users SET totp_step = $2 WHERE id = $1 AND totp_step < $2 RETURNING id;

-- name: remove
DELETE FROM panel_users WHERE id = $1;

-- name: lock_owners
SELECT id FROM panel_users WHERE role = 'owner' ORDER BY id FOR UPDATE;

-- name: any
SELECT EXISTS (SELECT FROM panel_users);

-- name: invite
INSERT INTO panel_first_run (digest, expires_at) VALUES ($1, $2)
ON CONFLICT (one) DO UPDATE SET digest = excluded.digest, expires_at = excluded.expires_at;

-- name: invited
SELECT EXISTS (SELECT FROM panel_first_run WHERE digest = $1 AND expires_at > $2);

-- name: accept
-- Deleting takes the row's lock: of two who use the code at the same time one gets nothing.
DELETE FROM panel_first_run WHERE digest = $1 AND expires_at > $2 RETURNING one;
