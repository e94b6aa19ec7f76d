-- Which metrics are stored, for how many trials and layers. Values that are NaN or infinite are
-- counted apart and left out of the range.
SELECT
    sweep, name,
    count(DISTINCT trial_id) AS trials,
    count(DISTINCT layer) AS layers,
    bool_or(layer IS NULL) AS whole_model,
    count(*) AS rows,
    min(step) AS first_step,
    max(step) AS last_step,
    min("value") FILTER (isfinite("value")) AS least,
    max("value") FILTER (isfinite("value")) AS most,
    count(*) FILTER (NOT isfinite("value")) AS not_finite
FROM metrics
GROUP BY sweep, name
ORDER BY sweep, name;
