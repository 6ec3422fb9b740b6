-- What filters of events read in the message facts. SQL functions of one expression: the planner
-- puts them in place.

-- The texts of an array, one a line: of its elements, or of a member of each; NULL for no array.
CREATE FUNCTION texts_of(list jsonb, member text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN (
    SELECT string_agg(CASE WHEN member IS NULL THEN one #>> '{}' ELSE one ->> member END, chr(10))
    FROM jsonb_array_elements(CASE jsonb_typeof(list) WHEN 'array' THEN list END) AS one
);

-- A number as such; NULL for anything else.
CREATE FUNCTION number_of(value jsonb) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE jsonb_typeof(value) WHEN 'number' THEN (value #>> '{}')::numeric END;
