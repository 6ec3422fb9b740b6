-- name: export
SELECT pg_export_snapshot()

-- name: major
SELECT current_setting('server_version_num')::int / 10000

-- name: is_empty
SELECT to_regclass('schema_migrations') IS NULL
