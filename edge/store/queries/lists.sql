-- name: domain
SELECT number FROM domains
WHERE name = $1 AND removed_at IS NULL AND ($2::integer IS NULL OR number = $2);

-- name: add
INSERT INTO mailing_lists (address, domain, name, description, access_level, reply_preference,
                           created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING RETURNING address;

-- name: get
SELECT l.address, l.domain, l.name, l.description, l.access_level, l.reply_preference, l.created_at,
       (SELECT count(*) FROM list_members m WHERE m.list = l.address) AS members_count
FROM mailing_lists l JOIN domains d ON d.number = l.domain AND d.removed_at IS NULL
WHERE l.address = $1 AND ($2::integer IS NULL OR l.domain = $2);

-- name: find
SELECT l.address
FROM mailing_lists l JOIN domains d ON d.number = l.domain AND d.removed_at IS NULL
WHERE l.address = $1 AND ($2::integer IS NULL OR l.domain = $2);

-- name: lock
-- Whoever adds, moves or removes members of a list takes turns; who only flags them need not wait.
SELECT l.address
FROM mailing_lists l JOIN domains d ON d.number = l.domain AND d.removed_at IS NULL
WHERE l.address = $1 AND ($2::integer IS NULL OR l.domain = $2)
FOR NO KEY UPDATE OF l;

-- name: count
SELECT count(*)
FROM mailing_lists l JOIN domains d ON d.number = l.domain AND d.removed_at IS NULL
WHERE ($1::integer IS NULL OR l.domain = $1) AND ($2::text IS NULL OR l.address = $2);

-- name: list
-- Members are counted only for the lists that are shown.
SELECT s.*, (SELECT count(*) FROM list_members m WHERE m.list = s.address) AS members_count
FROM (
    SELECT l.address, l.domain, l.name, l.description, l.access_level, l.reply_preference,
           l.created_at
    FROM mailing_lists l JOIN domains d ON d.number = l.domain AND d.removed_at IS NULL
    WHERE ($1::integer IS NULL OR l.domain = $1) AND ($2::text IS NULL OR l.address = $2)
      AND ($3::text IS NULL OR l.address > $3)
    ORDER BY l.address LIMIT $4 OFFSET $5
) s ORDER BY s.address;

-- name: list_backwards
SELECT s.*, (SELECT count(*) FROM list_members m WHERE m.list = s.address) AS members_count
FROM (
    SELECT l.address, l.domain, l.name, l.description, l.access_level, l.reply_preference,
           l.created_at
    FROM mailing_lists l JOIN domains d ON d.number = l.domain AND d.removed_at IS NULL
    WHERE ($1::integer IS NULL OR l.domain = $1) AND ($2::text IS NULL OR l.address < $2)
    ORDER BY l.address DESC LIMIT $3
) s ORDER BY s.address;

-- name: change
UPDATE mailing_lists
SET former = CASE WHEN address = $2 THEN former
                  ELSE array_append(former, domain || ' ' || address) END,
    address = $2, domain = $3, name = coalesce($4, name), description = coalesce($5, description),
    access_level = coalesce($6, access_level), reply_preference = coalesce($7, reply_preference)
WHERE address = $1;

-- name: remove
DELETE FROM mailing_lists WHERE address = $1;

-- name: wanted
SELECT l.domain, l.address, l.name, l.reply_preference
FROM unnest($1::integer[], $2::text[]) AS n (domain, address)
JOIN mailing_lists l ON l.address = n.address AND l.domain = n.domain;

-- name: subscribed
SELECT m.list, m.address, m.name, m.vars
FROM list_members m WHERE m.list = ANY ($1::text[]) AND m.subscribed ORDER BY m.list, m.address;
