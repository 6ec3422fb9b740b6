-- name: put
-- Those that are there are locked in key order, as the drain locks them. "changed_at" is when
-- "subscribed" was last said: only what says it moves it, and then past everything before.
WITH given AS MATERIALIZED (
    SELECT g.address, g.name, g.vars::jsonb AS vars, g.subscribed
    FROM unnest($2::text[], $3::text[], $4::text[], $5::boolean[])
        AS g (address, name, vars, subscribed)
), present AS MATERIALIZED (
    SELECT m.address FROM given g JOIN list_members m ON m.list = $1 AND m.address = g.address
    ORDER BY m.address FOR UPDATE OF m
), changed AS (
    UPDATE list_members m
    SET name = coalesce(g.name, m.name), vars = coalesce(g.vars, m.vars),
        subscribed = coalesce(g.subscribed, m.subscribed),
        changed_at = CASE WHEN g.subscribed IS NULL THEN m.changed_at
            ELSE greatest($6::timestamptz, m.changed_at + interval '1 microsecond') END
    FROM present p JOIN given g ON g.address = p.address
    WHERE $7::boolean AND m.list = $1 AND m.address = p.address
), made AS (
    INSERT INTO list_members (list, address, name, vars, subscribed, changed_at)
    SELECT $1, g.address, coalesce(g.name, ''), coalesce(g.vars, '{}'),
           coalesce(g.subscribed, true), $6
    FROM given g WHERE NOT EXISTS (SELECT FROM present p WHERE p.address = g.address)
    ORDER BY g.address
    RETURNING address
)
SELECT count(*) FROM made;

-- name: get
SELECT address, name, vars, subscribed FROM list_members WHERE list = $1 AND address = $2;

-- name: count
SELECT count(*) FROM list_members
WHERE list = $1 AND ($2::boolean IS NULL OR subscribed = $2) AND ($3::text IS NULL OR address = $3);

-- name: list
SELECT address, name, vars, subscribed FROM list_members
WHERE list = $1 AND ($2::boolean IS NULL OR subscribed = $2) AND ($3::text IS NULL OR address = $3)
  AND ($4::text IS NULL OR address > $4)
ORDER BY address LIMIT $5 OFFSET $6;

-- name: list_backwards
SELECT address, name, vars, subscribed FROM list_members
WHERE list = $1 AND ($2::boolean IS NULL OR subscribed = $2) AND ($3::text IS NULL OR address < $3)
ORDER BY address DESC LIMIT $4;

-- name: change
UPDATE list_members m
SET address = $3, name = coalesce($4, m.name), vars = coalesce($5::text::jsonb, m.vars),
    subscribed = coalesce($6, m.subscribed),
    changed_at = CASE WHEN $6 IS NULL THEN m.changed_at
        ELSE greatest($7::timestamptz, m.changed_at + interval '1 microsecond') END
WHERE m.list = $1 AND m.address = $2
RETURNING address, name, vars, subscribed;

-- name: remove
DELETE FROM list_members WHERE list = $1 AND address = $2 RETURNING address;
