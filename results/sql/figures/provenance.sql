-- Code, packages and machines that the rows come from, and how many cells each.
SELECT 'commit' AS what, coalesce("commit", 'unknown')
    || if(coalesce(dirty, false), ', with uncommitted changes', '') AS value, count(*) AS cells
FROM trials WHERE wanted GROUP BY ALL
UNION ALL
SELECT field.key, field.atom->>'$', count(*)
FROM trials, json_each(versions) AS field WHERE wanted GROUP BY ALL
UNION ALL
SELECT 'machine', coalesce(host, 'unknown') || ' (' || coalesce(device, 'unknown device') || ')',
    count(DISTINCT trial_id)
FROM events WHERE status = 'running' GROUP BY ALL
ORDER BY what NOT IN ('commit', 'machine'), what, cells DESC, value
LIMIT 200
