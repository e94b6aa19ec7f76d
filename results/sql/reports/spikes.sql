-- Which cells have activation spikes, and in which layer. The largest absolute activation at the end
-- (`spike_max`) and at any evaluation (`highest`); `against_baseline` is the first over that of the
-- cell's baseline, `times_median` the largest layer's over the median layer's.
WITH cells AS (
    SELECT
        sweep, trial_id, baseline_id, score, regexp_extract(grid, '[^.]*$') AS mechanism,
        config::JSON AS configuration
    FROM trials WHERE wanted
),
by_layer AS (
    SELECT
        sweep, trial_id,
        arg_max(layer, last) AS layer,
        max(last) / nullif(median(last), 0) AS times_median
    FROM layers WHERE name = 'spike_max' AND isfinite(last)
    GROUP BY sweep, trial_id
),
whole AS (
    SELECT sweep, trial_id, last, maximum FROM finals WHERE layer IS NULL AND name = 'spike_max'
)
SELECT
    cells.sweep,
    coalesce(configuration->>'$.model.kind', '') AS architecture,
    cells.mechanism, cells.trial_id,
    configuration->>'$.activation.kind' AS activation,
    whole.last AS spike_max,
    whole.maximum AS highest,
    by_layer.layer,
    round(by_layer.times_median, 2) AS times_median,
    round(whole.last / nullif(baseline.last, 0), 2) AS against_baseline,
    round(cells.score, 4) AS score
FROM cells
JOIN whole ON whole.sweep = cells.sweep AND whole.trial_id = cells.trial_id
LEFT JOIN by_layer ON by_layer.sweep = cells.sweep AND by_layer.trial_id = cells.trial_id
LEFT JOIN whole AS baseline ON baseline.sweep = cells.sweep
    AND baseline.trial_id = cells.baseline_id
ORDER BY cells.sweep, architecture, whole.last DESC NULLS LAST, cells.trial_id;
