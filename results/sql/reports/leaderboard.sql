-- Which cells have the best score. The first ten of each architecture; cells that share a score share
-- a rank. `above` is the share of the architecture's other scored cells that lie below the cell.
WITH cells AS (
    SELECT
        sweep, trial_id, regexp_extract(grid, '[^.]*$') AS mechanism, seed, score, metric,
        config::JSON AS configuration,
        coalesce(configuration->>'$.model.kind', '') AS model
    FROM trials WHERE wanted AND isfinite(score)
),
summed AS (SELECT sweep, trial_id, name, last FROM finals WHERE layer IS NULL)
SELECT
    cells.sweep, cells.model AS architecture,
    rank() OVER best AS rank,
    cells.trial_id, cells.mechanism,
    concat_ws(
        ' ', configuration->>'$.activation.kind',
        'share ' || (configuration->>'$.activation.share'),
        'clip ' || (configuration->>'$.activation.clip'),
        'quantile ' || (configuration->>'$.activation.quantile')
    ) AS activation,
    concat_ws(
        ' ', configuration->>'$.norm.kind', 'quantile ' || (configuration->>'$.norm.quantile')
    ) AS norm,
    cells.seed,
    round(cells.score, 4) AS score,
    round(sparsity.last, 3) AS sparsity,
    cells.metric, round(own.last, 4) AS "value",
    round(1 - percent_rank() OVER best, 3) AS above
FROM cells
LEFT JOIN summed AS own ON own.sweep = cells.sweep AND own.trial_id = cells.trial_id
    AND own.name = cells.metric
LEFT JOIN summed AS sparsity ON sparsity.sweep = cells.sweep
    AND sparsity.trial_id = cells.trial_id AND sparsity.name = 'sparsity'
WINDOW best AS (PARTITION BY cells.sweep, cells.model ORDER BY cells.score DESC)
QUALIFY rank() OVER best <= 10
ORDER BY cells.sweep, cells.model, rank, cells.trial_id;
