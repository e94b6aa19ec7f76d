-- Whether weights drift to the negative while training. Medians and quartiles of `drift_z` and of the
-- share of negative weights of the whole model, by step, over the cells of an architecture that have
-- a value there; `drifting_down` is the share of these cells whose drift is below 0.
WITH cells AS (
    SELECT sweep, trial_id, coalesce(config::JSON->>'$.model.kind', '') AS architecture
    FROM trials WHERE wanted
),
measured AS (
    SELECT
        cells.sweep, cells.architecture, metrics.step,
        metrics."value" AS x, metrics.name = 'drift_z' AS drift
    FROM metrics JOIN cells ON cells.sweep = metrics.sweep AND cells.trial_id = metrics.trial_id
    WHERE metrics.layer IS NULL AND metrics.name IN ('drift_z', 'negative_share')
        AND isfinite(metrics."value")
)
SELECT
    sweep, architecture, step,
    count(*) FILTER (drift) AS cells,
    round(quantile_cont(x, 0.25) FILTER (drift), 4) AS drift_lower_quarter,
    round(median(x) FILTER (drift), 4) AS drift_median,
    round(quantile_cont(x, 0.75) FILTER (drift), 4) AS drift_upper_quarter,
    round(avg((x < 0)::INT) FILTER (drift), 3) AS drifting_down,
    round(median(x) FILTER (NOT drift), 4) AS negative_share_median
FROM measured
GROUP BY sweep, architecture, step
ORDER BY sweep, architecture, step;
