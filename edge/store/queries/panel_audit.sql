-- name: add
INSERT INTO panel_audit (at, panel_user, address, action, subject, outcome)
VALUES ($1, $2, $3, $4, $5, $6);

-- name: page
SELECT id, at, panel_user, address, action, subject, outcome FROM panel_audit
WHERE $1::bigint IS NULL OR id < $1 ORDER BY id DESC LIMIT $2;

-- name: expire
DELETE FROM panel_audit WHERE ctid = ANY (ARRAY(SELECT ctid FROM panel_audit WHERE at < $1 LIMIT $2));
