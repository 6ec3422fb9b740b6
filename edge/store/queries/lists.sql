-- name: expand
SELECT l.domain, l.address, l.name, l.reply_preference, m.address AS member, m.name AS member_name,
       m.vars
FROM unnest($1::integer[], $2::text[]) AS n (domain, address)
JOIN mailing_lists l ON l.address = n.address AND l.domain = n.domain
LEFT JOIN list_members m ON m.list = l.address AND m.subscribed
ORDER BY l.address, m.address;
