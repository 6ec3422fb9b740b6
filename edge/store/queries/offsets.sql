-- name: load
SELECT segment, off FROM spool_offsets WHERE segment = ANY ($1::text[]);

-- name: begin
INSERT INTO spool_offsets (segment, edge, off)
SELECT n.segment, $1, n.off FROM unnest($2::text[], $3::bigint[]) AS n (segment, off)
ON CONFLICT (segment) DO NOTHING RETURNING segment;

-- name: advance
UPDATE spool_offsets s SET off = n.new, edge = $1, updated = now()
FROM unnest($2::text[], $3::bigint[], $4::bigint[]) AS n (segment, old, new)
WHERE s.segment = n.segment AND s.off = n.old
RETURNING s.segment;

-- name: lock
SELECT segment FROM spool_offsets WHERE segment = ANY ($1::text[]) ORDER BY segment FOR UPDATE;

-- name: forget_missing
DELETE FROM spool_offsets WHERE edge = $1 AND NOT segment = ANY ($2::text[]) AND updated < now() - $3::interval;
