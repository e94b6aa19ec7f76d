-- Which code, versions, hosts and devices the trials come from. Where `different` is above 1, the
-- cells of a sweep were not all made alike, and may not be comparable.
WITH cells AS (SELECT sweep, trial_id, "commit", dirty, versions FROM trials WHERE wanted),
facts AS (
    SELECT
        sweep, trial_id, 'commit' AS fact,
        "commit" || if(coalesce(dirty, false), ' (with changes)', '') AS content
    FROM cells
    UNION ALL
    SELECT
        sweep, trial_id, 'version of ' || package,
        versions->>('$."' || package || '"')
    FROM (SELECT *, unnest(json_keys(versions)) AS package FROM cells)
    UNION ALL
    SELECT sweep, trial_id, 'host', host FROM events WHERE status = 'running'
    UNION ALL
    SELECT sweep, trial_id, 'device', device FROM events WHERE status = 'running'
)
SELECT
    sweep, fact, content AS "value", count(DISTINCT trial_id) AS trials,
    count(*) OVER (PARTITION BY sweep, fact) AS different
FROM facts
GROUP BY sweep, fact, content
ORDER BY sweep, fact, trials DESC, content;
