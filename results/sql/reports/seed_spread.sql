-- How much the score varies from seed to seed. One row for cells that differ in nothing but the seed;
-- configurations with a single seed are left out. `standard_error` is that of their mean.
WITH cells AS (
    SELECT
        sweep, grid, seed, score, trial_id,
        json_merge_patch(config::JSON, '{"seed": null}'::JSON) AS configuration
    FROM trials
    WHERE wanted AND isfinite(score)
)
SELECT
    sweep, grid,
    coalesce(configuration->>'$.model.kind', '') AS architecture,
    configuration->>'$.activation.kind' AS activation,
    configuration->>'$.norm.kind' AS norm,
    count(DISTINCT seed) AS seeds,
    round(avg(cells.score), 4) AS score,
    round(min(cells.score), 4) AS least,
    round(max(cells.score), 4) AS most,
    round(stddev_samp(cells.score), 4) AS deviation,
    round(stddev_samp(cells.score) / sqrt(count(*)), 4) AS standard_error,
    list(trial_id ORDER BY seed, trial_id) AS trials
FROM cells
GROUP BY sweep, grid, configuration
HAVING count(DISTINCT seed) > 1
ORDER BY sweep, grid, stddev_samp(cells.score) DESC, trials;
