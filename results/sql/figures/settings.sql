-- What all cells of an architecture share, and what differs: task and training.
WITH
leaves AS (
    SELECT
        trial_id, coalesce(config::JSON->>'$.model.kind', '') AS architecture,
        substr(leaf.fullkey, 3) AS setting, leaf.atom->>'$' AS word
    FROM trials, json_tree(config::JSON) AS leaf
    WHERE wanted AND leaf.atom IS NOT NULL AND leaf.type <> 'NULL'
        AND regexp_matches(leaf.fullkey, '^\$\.(kind|task|train|model)\b')
)
SELECT
    architecture, setting,
    if(count(DISTINCT word) = 1, any_value(word), count(DISTINCT word) || ' different') AS value,
    count(DISTINCT trial_id) AS cells
FROM leaves
GROUP BY architecture, setting
ORDER BY architecture, setting
LIMIT 400
