-- The cells that a sweep asks for and that have no end yet. A training that diverged is an end.
SELECT
    sweep, trial_id, grid, status,
    coalesce(config::JSON->>'$.model.kind', '') AS architecture,
    regexp_extract(grid, '[^.]*$') AS mechanism
FROM trials
WHERE wanted AND status <> 'completed'
    AND NOT (status = 'failed' AND coalesce(failure_class = 'diverged', false))
ORDER BY sweep, grid, trial_id;
