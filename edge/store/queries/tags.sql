-- name: known
SELECT domain, tag FROM tags JOIN unnest($1::integer[], $2::text[]) AS n (domain, tag)
USING (domain, tag);

-- name: counts
SELECT n.domain, (
    SELECT count(*) FROM (SELECT 1 FROM tags t WHERE t.domain = n.domain LIMIT $2) AS found
) AS count FROM unnest($1::integer[]) AS n (domain);

-- name: add
INSERT INTO tags (domain, tag, first_seen)
SELECT n.domain, n.tag, $3 FROM unnest($1::integer[], $2::text[]) AS n (domain, tag)
ON CONFLICT DO NOTHING;
