-- How much of each grid is done, and what is missing. `scored` counts cells with a finite score (none
-- while the baseline is missing); `lacking` names the first ten cells that neither completed nor
-- stopped, `lacking_more` says how many follow.
WITH cells AS (
    SELECT
        sweep, grid,
        count(*) FILTER (isfinite(score)) AS scored,
        list(trial_id ORDER BY trial_id) FILTER (status NOT IN ('completed', 'stopped')) AS lacking
    FROM trials WHERE wanted
    GROUP BY sweep, grid
)
SELECT
    coverage.*,
    cells.scored,
    round((completed + stopped) / expected, 3) AS done,
    coalesce(cells.lacking[1:10], []) AS lacking,
    greatest(coalesce(len(cells.lacking), 0) - 10, 0) AS lacking_more
FROM coverage LEFT JOIN cells ON cells.sweep = coverage.sweep AND cells.grid = coverage.grid
ORDER BY coverage.sweep, coverage.grid;
