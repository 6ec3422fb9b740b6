-- What the fields of filters look at: e is the event, f its message's facts, which may be missing.

-- name: from
(f.headers ->> 'from')

-- name: subject
(f.headers ->> 'subject')

-- name: to
(CASE f.headers ->> 'to' WHEN '%recipient%' THEN e.recipient ELSE f.headers ->> 'to' END)

-- name: list
f.mailing_list

-- name: recipient
e.recipient

-- name: recipients
coalesce(
    (SELECT string_agg(one, chr(10)) FROM jsonb_array_elements_text(
        CASE jsonb_typeof(f.about -> 'recipients') WHEN 'array' THEN f.about -> 'recipients' END
    ) AS one),
    e.recipient
)

-- name: attachment
(SELECT string_agg(one ->> 'filename', chr(10)) FROM jsonb_array_elements(
    CASE jsonb_typeof(f.about -> 'attachments') WHEN 'array' THEN f.about -> 'attachments' END
) AS one)

-- name: size
(CASE jsonb_typeof(f.about -> 'size') WHEN 'number' THEN (f.about ->> 'size')::numeric END)
