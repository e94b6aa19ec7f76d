-- How sparse each cell became and what it scored. `requested` is the sparsity that its configuration
-- asks for, `lost` what it misses of the score 1 of its baseline where scores are shares of one.
WITH cells AS (
    SELECT
        sweep, trial_id, regexp_extract(grid, '[^.]*$') AS mechanism, status, score, score_rule,
        config::JSON AS configuration
    FROM trials WHERE wanted
),
sparse AS (SELECT sweep, trial_id, last FROM finals WHERE layer IS NULL AND name = 'sparsity')
SELECT
    cells.sweep,
    coalesce(configuration->>'$.model.kind', '') AS architecture,
    cells.mechanism, cells.trial_id,
    configuration->>'$.activation.kind' AS activation,
    configuration->>'$.norm.kind' AS norm,
    try_cast(
        coalesce(
            configuration->>'$.activation.share', configuration->>'$.activation.quantile',
            configuration->>'$.norm.quantile'
        ) AS DOUBLE
    ) AS requested,
    round(sparse.last, 4) AS sparsity,
    round(cells.score, 4) AS score,
    CASE
        WHEN cells.score_rule IN ('accuracy_ratio', 'exp_loss') THEN round(1 - cells.score, 4)
    END AS lost,
    cells.status
FROM cells
LEFT JOIN sparse ON sparse.sweep = cells.sweep AND sparse.trial_id = cells.trial_id
ORDER BY cells.sweep, architecture, sparse.last NULLS LAST, cells.trial_id;
