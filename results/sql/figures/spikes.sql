-- Largest activation of the whole model over steps.
--
-- Per architecture and mechanism: the median over cells, and the lowest and highest of them. Steps
-- are gathered into at most 60 of equal length, of which each cell's last value counts.
WITH
cells AS (
    SELECT trial_id, coalesce(config::JSON->>'$.model.kind', '') AS architecture,
        regexp_extract(grid, '[^.]*$') AS mechanism
    FROM trials WHERE wanted AND status IN ('completed', 'running', 'stopped')
),
points AS (
    SELECT
        architecture, mechanism, trial_id, step, value,
        ceil(step * 60 / greatest(max(step) OVER (PARTITION BY architecture), 60)) AS bin
    FROM metrics JOIN cells USING (trial_id)
    WHERE layer IS NULL AND name = 'spike_max'
),
binned AS (
    SELECT architecture, mechanism, trial_id, bin, max(step) AS step, arg_max(value, step) AS value
    FROM points GROUP BY ALL
)
SELECT
    architecture, mechanism, max(step) AS step, count(*) AS cells, median(value) AS median,
    min(value) AS low, max(value) AS high
FROM binned
WHERE isfinite(value)
GROUP BY architecture, mechanism, bin
ORDER BY architecture, mechanism, step
