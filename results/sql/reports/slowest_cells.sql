-- Which cells take longest, and how far off their grid's median they are. The twenty of each sweep
-- with the largest sum of their attempts' times.
WITH cells AS (
    SELECT
        sweep, trial_id, grid, status, attempts, duration_s, step AS last_step,
        config::JSON AS configuration
    FROM trials WHERE duration_s IS NOT NULL
),
step_times AS (
    SELECT sweep, trial_id, last FROM finals WHERE layer IS NULL AND name = 'step_time_s'
)
SELECT
    cells.sweep, cells.trial_id, cells.grid, cells.status, cells.attempts,
    round(cells.duration_s, 1) AS duration_s,
    round(
        cells.duration_s / nullif(median(cells.duration_s) OVER (PARTITION BY cells.sweep, grid), 0),
        2
    ) AS against_grid_median,
    round(
        cells.duration_s / nullif(sum(cells.duration_s) OVER (PARTITION BY cells.sweep), 0), 4
    ) AS share_of_sweep,
    cells.last_step,
    round(step_times.last, 5) AS step_time_s,
    configuration->>'$.model.kind' AS architecture,
    configuration->>'$.activation.kind' AS activation,
    configuration->>'$.norm.kind' AS norm
FROM cells
LEFT JOIN step_times ON step_times.sweep = cells.sweep AND step_times.trial_id = cells.trial_id
QUALIFY row_number() OVER (
    PARTITION BY cells.sweep ORDER BY cells.duration_s DESC, cells.trial_id
) <= 20
ORDER BY cells.sweep, cells.duration_s DESC, cells.trial_id;
