-- Where values stopped being finite. The first step at which a metric of a trial is NaN or infinite,
-- what it is there, and how many such values there are; metrics of the whole model come first.
WITH cells AS (SELECT sweep, trial_id, grid, status FROM trials)
SELECT
    metrics.sweep, metrics.trial_id,
    any_value(cells.grid) AS grid, any_value(cells.status) AS status,
    metrics.layer, metrics.name,
    min(metrics.step) AS first_step,
    arg_min(metrics."value", metrics.step) AS first_value,
    count(*) AS not_finite,
    max(metrics.step) AS last_step
FROM metrics
LEFT JOIN cells ON cells.sweep = metrics.sweep AND cells.trial_id = metrics.trial_id
WHERE NOT isfinite(metrics."value")
GROUP BY metrics.sweep, metrics.trial_id, metrics.layer, metrics.name
ORDER BY metrics.sweep, metrics.layer IS NOT NULL, min(metrics.step), metrics.trial_id,
    metrics.layer, metrics.name;
