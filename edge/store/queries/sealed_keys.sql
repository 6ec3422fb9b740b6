-- name: has_keys_table
SELECT to_regclass('keys') IS NOT NULL

-- name: sealed_keys
SELECT id, sealed FROM keys ORDER BY id
