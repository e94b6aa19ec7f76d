-- Where a sweep's cells come from: what, which value, and how many cells it holds for.
WITH
wanted AS (SELECT * FROM kept.planned WHERE wanted),
packages AS (
    SELECT trial_id, 'version of ' || package.key AS what, package.value->>'$' AS value
    FROM wanted, json_each(versions::JSON) AS package
),
places AS (
    SELECT events.trial_id, host, device FROM events JOIN wanted USING (sweep, trial_id)
    WHERE events.status = 'running'
),
facts AS (
    SELECT trial_id, 'commit' AS what, "commit" AS value FROM wanted
    UNION ALL SELECT trial_id, 'uncommitted changes', if(dirty, 'yes', 'no') FROM wanted
        WHERE dirty IS NOT NULL
    UNION ALL SELECT * FROM packages
    UNION ALL SELECT trial_id, 'host', host FROM places
    UNION ALL SELECT trial_id, 'device', device FROM places
)
SELECT what, value, count(DISTINCT trial_id) AS cells
FROM facts
WHERE value IS NOT NULL
GROUP BY what, value
ORDER BY what, value;
