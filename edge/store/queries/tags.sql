-- name: known
SELECT domain, tag FROM tags JOIN unnest($1::integer[], $2::text[]) AS n (domain, tag)
USING (domain, tag) WHERE deleted_at IS NULL;

-- name: counts
SELECT n.domain, (
    SELECT count(*) FROM (
        SELECT 1 FROM tags t WHERE t.domain = n.domain AND t.deleted_at IS NULL LIMIT $2
    ) AS found
) AS count FROM unnest($1::integer[]) AS n (domain);

-- name: add
INSERT INTO tags AS t (domain, tag, first_seen, last_seen)
SELECT n.domain, n.tag, $3, $3 FROM unnest($1::integer[], $2::text[]) AS n (domain, tag)
ORDER BY 1, 2
ON CONFLICT (domain, tag) DO UPDATE
SET deleted_at = NULL, last_seen = greatest(t.last_seen, excluded.last_seen)
WHERE t.deleted_at IS NOT NULL;

-- name: get
SELECT tag, description, first_seen, last_seen FROM tags
WHERE domain = $1 AND tag = $2 AND deleted_at IS NULL;

-- name: page
SELECT tag, description, first_seen, last_seen FROM tags
WHERE domain = $1 AND deleted_at IS NULL AND starts_with(tag, $2)
  AND ($3::text IS NULL OR tag > $3)
ORDER BY tag LIMIT $4;

-- name: page_back
SELECT tag, description, first_seen, last_seen FROM tags
WHERE domain = $1 AND deleted_at IS NULL AND starts_with(tag, $2)
  AND ($3::text IS NULL OR tag < $3)
ORDER BY tag DESC LIMIT $4;

-- name: describe
INSERT INTO tags AS t (domain, tag, description, first_seen, last_seen)
SELECT n.domain, $2, $3, $4, $4 FROM unnest($1::integer[]) AS n (domain)
ON CONFLICT (domain, tag) DO UPDATE SET description = excluded.description, deleted_at = NULL;

-- name: describe_known
UPDATE tags SET description = $3
WHERE domain = ANY ($1) AND tag = $2 AND deleted_at IS NULL;

-- name: delete
UPDATE tags SET deleted_at = $3, description = ''
WHERE domain = ANY ($1) AND tag = $2 AND deleted_at IS NULL;

-- name: count
SELECT count(DISTINCT tag) FROM tags
WHERE domain = ANY ($1) AND deleted_at IS NULL AND starts_with(tag, $2);

-- name: listed
-- Tags of several domains by name. $3 is what is sorted by, $4 whether downwards.
WITH found AS (
    SELECT tag, max(description) AS description, min(first_seen) AS first_seen,
           max(last_seen) AS last_seen
    FROM tags
    WHERE domain = ANY ($1) AND deleted_at IS NULL AND starts_with(tag, $2)
    GROUP BY tag
), ordered AS (
    SELECT found.*, CASE $3::text WHEN 'lastseen' THEN last_seen WHEN 'firstseen' THEN first_seen
           END AS moment FROM found
)
SELECT tag, description, first_seen, last_seen FROM ordered
ORDER BY CASE WHEN $4 THEN moment END DESC, CASE WHEN NOT $4 THEN moment END,
         CASE WHEN $4 AND $3 = 'tag' THEN tag END DESC, tag
LIMIT $5 OFFSET $6;

-- name: forget
DELETE FROM tags WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM tags WHERE deleted_at < $1 AND last_seen < $1 LIMIT $2
));
