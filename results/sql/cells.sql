-- The cells that a cliff can rest on, one row a completed or diverged trial, and why some are left
-- out.
--
-- A cell is left out, of every group alike, when
--   no score    its score or its final sparsity is missing or not finite,
--   diverged    its training ended with a loss that is not finite, so it has no score,
--   collapsed   its score is below 0.5 and its train loss never fell below 0.9 of chance, chance
--               being the largest validation loss of its baseline (the one before any training),
--   fell alone  it lies more than `gap` below the median of the five cells of its mechanism that
--               follow it by sparsity, and below that of the five before it: what sparsity did to
--               it would have been done to its neighbours as well.
-- `gap` is the greater of 0.1 and 6 sigma; sigma is the noise within the architecture, from how far
-- each cell lies off the line between its two neighbours. At least three cells must follow. Where
-- fewer than three come before, the following ones must agree instead: their largest score may lie
-- above their median by at most a third of what the cell misses (a rising score is no fall).
-- The constants 0.5 and 0.1 are shares of a baseline whose score is 1. For scores on another scale
-- `collapsed` does not apply, and 0.1 is a share of the range between the 10 % and 90 % quantiles.
CREATE OR REPLACE TABLE kept.cells AS
WITH
completed AS (
    SELECT
        trials.sweep, trials.trial_id, baseline_id,
        coalesce(config::JSON->>'$.model.kind', '') AS architecture,
        regexp_extract(grid, '[^.]*$') AS mechanism,
        sparsity.last AS x, score AS y, score_rule, metric, status = 'failed' AS diverged,
        coalesce(score_rule IN ('accuracy_ratio', 'exp_loss'), false) AS relative,
        NOT diverged AND coalesce(isfinite(x) AND isfinite(y), false) AS measured
    FROM trials
    LEFT JOIN finals AS sparsity ON sparsity.sweep = trials.sweep
        AND sparsity.trial_id = trials.trial_id
        AND sparsity.layer IS NULL AND sparsity.name = 'sparsity'
    WHERE wanted
        AND (status = 'completed' OR (status = 'failed' AND failure_class = 'diverged'))
),
judged AS (
    SELECT
        cell.*,
        coalesce(
            relative AND measured AND y < 0.5 AND train.minimum > 0.9 * chance.maximum, false
        ) AS collapsed
    FROM completed AS cell
    LEFT JOIN finals AS train ON train.sweep = cell.sweep AND train.trial_id = cell.trial_id
        AND train.layer IS NULL AND train.name = 'train_loss'
    LEFT JOIN finals AS chance ON chance.sweep = cell.sweep AND chance.trial_id = cell.baseline_id
        AND chance.layer IS NULL AND chance.name = 'val_loss'
),
neighbours AS (
    SELECT
        sweep, trial_id, architecture, x, y, relative,
        count(*) OVER behind AS following, median(y) OVER behind AS level_behind,
        max(y) OVER behind AS best_behind,
        count(*) OVER before AS preceding, median(y) OVER before AS level_before,
        lag(x) OVER ranked AS x0, lag(y) OVER ranked AS y0,
        lead(x) OVER ranked AS x2, lead(y) OVER ranked AS y2
    FROM judged
    WHERE measured AND NOT collapsed
    WINDOW
        ranked AS (PARTITION BY architecture, mechanism ORDER BY x, trial_id),
        behind AS (
            PARTITION BY architecture, mechanism ORDER BY x, trial_id
            ROWS BETWEEN 1 FOLLOWING AND 5 FOLLOWING
        ),
        before AS (
            PARTITION BY architecture, mechanism ORDER BY x, trial_id
            ROWS BETWEEN 5 PRECEDING AND 1 PRECEDING
        )
),
-- Off the line between the neighbours, scaled so that independent noise keeps its size.
deviations AS (
    SELECT
        architecture, relative, y,
        if(x2 > x0, (x - x0) / (x2 - x0), 0.5) AS share,
        abs(y - y0 - share * (y2 - y0)) / sqrt(1 + share ** 2 + (1 - share) ** 2) AS deviation
    FROM neighbours
),
gaps AS (
    SELECT
        architecture,
        greatest(
            0.1 * if(bool_and(relative), 1, quantile_cont(y, 0.9) - quantile_cont(y, 0.1)),
            6 * 1.4826 * coalesce(median(deviation), 0)
        ) AS gap
    FROM deviations GROUP BY architecture
),
alone AS (
    SELECT sweep, trial_id
    FROM neighbours JOIN gaps USING (architecture)
    WHERE following >= 3 AND level_behind - y > gap
        AND if(
            preceding >= 3,
            level_before - y > gap,
            level_behind - y > 3 * (best_behind - level_behind)
        )
)
SELECT
    sweep, trial_id, architecture, mechanism, x, y, score_rule, metric,
    CASE
        WHEN diverged THEN 'diverged'
        WHEN NOT measured THEN 'no score'
        WHEN collapsed THEN 'collapsed'
        WHEN alone.trial_id IS NOT NULL THEN 'fell alone'
    END AS left_out
FROM judged LEFT JOIN alone USING (sweep, trial_id);

SELECT * FROM kept.cells ORDER BY sweep, architecture, mechanism, x, trial_id;
