-- Which activation scores best, by architecture. Over the grids whose name ends in `activations`, or
-- over all where a sweep has none; `difference` is the mean of score minus the baseline's score.
WITH cells AS (
    SELECT
        sweep, trial_id, baseline_id, score, grid LIKE '%activations' AS pure,
        coalesce(config::JSON->>'$.model.kind', '') AS architecture,
        config::JSON->'$.activation' AS activation
    FROM trials WHERE wanted AND isfinite(score)
),
chosen AS (
    SELECT * FROM cells QUALIFY pure OR NOT bool_or(pure) OVER (PARTITION BY sweep)
),
sparse AS (SELECT sweep, trial_id, last FROM finals WHERE layer IS NULL AND name = 'sparsity')
SELECT
    chosen.sweep, chosen.architecture,
    rank() OVER (
        PARTITION BY chosen.sweep, chosen.architecture ORDER BY avg(chosen.score) DESC
    ) AS rank,
    concat_ws(
        ' ', chosen.activation->>'$.kind', 'share ' || (chosen.activation->>'$.share'),
        'clip ' || (chosen.activation->>'$.clip'),
        'quantile ' || (chosen.activation->>'$.quantile')
    ) AS activation,
    count(*) AS cells,
    round(avg(chosen.score), 4) AS score,
    round(stddev_samp(chosen.score), 4) AS deviation,
    round(avg(chosen.score - baseline.score), 4) AS difference,
    count(*) FILTER (chosen.score > baseline.score) AS above_baseline,
    round(avg(sparse.last), 3) AS sparsity
FROM chosen
LEFT JOIN cells AS baseline ON baseline.sweep = chosen.sweep
    AND baseline.trial_id = chosen.baseline_id
LEFT JOIN sparse ON sparse.sweep = chosen.sweep AND sparse.trial_id = chosen.trial_id
GROUP BY chosen.sweep, chosen.architecture, chosen.activation
ORDER BY chosen.sweep, chosen.architecture, avg(chosen.score) DESC, chosen.activation::VARCHAR;
