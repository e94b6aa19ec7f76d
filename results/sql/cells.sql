-- The cells that a cliff can rest on, one row a completed or diverged trial, and why some are left
-- out.
--
-- A cell is left out, of every group alike, when
--   no baseline   the trial that its score relates to has not completed,
--   no score      its score or its final sparsity is missing or not finite,
--   diverged      its training ended with a loss that is not finite, so it has no score,
--   at the floor  it is at chance level, and so are at least half of the sparser cells of its
--                 mechanism, if there are any: it cannot fall further, so it says nothing of how
--                 the score falls,
--   collapsed     it is at chance level although most of the sparser cells are not,
--   fell alone    it lies more than `gap` below the median of the five cells of its mechanism that
--                 follow it by sparsity, and below that of the five before it: what sparsity did to
--                 it would have been done to its neighbours as well.
--
-- At chance level is a score within a tenth of the way from chance to the baseline, or one below
-- 0.5 of a cell whose train loss never fell below 0.9 of the chance loss. The chance loss is the
-- largest validation loss of the baseline, the one before any training; a classifier that knows
-- nothing has it, and an accuracy of exp(-loss), 1 over the number of classes.
--
-- `gap` is the greater of 0.05 and 6 sigma; sigma is the noise within the architecture, from how far
-- each cell lies off the line between its two neighbours (their median, so that few cells that fell
-- do not hide themselves). At least three cells must follow. Where fewer than three come before, the following
-- ones must agree instead: their largest score may lie above their median by at most a third of
-- what the cell misses (a rising score is no fall).
-- The constants 0.5 and 0.05 are shares of a baseline whose score is 1. For scores on another scale
-- there is no chance level, and 0.05 is a share of the range between the 10 % and 90 % quantiles.
CREATE OR REPLACE TABLE kept.cells AS
WITH
completed AS (
    SELECT
        trials.sweep, trials.trial_id, trials.baseline_id,
        coalesce(trials.config::JSON->>'$.model.kind', '') AS architecture,
        regexp_extract(trials.grid, '[^.]*$') AS mechanism, trials.adaptive,
        sparsity.last AS x, trials.score AS y, trials.score_rule, trials.metric,
        trials.status = 'failed' AS diverged,
        if(baseline.status = 'completed', NULL, coalesce(baseline.status, 'not in the sweep'))
            AS baseline_status,
        coalesce(trials.score_rule IN ('accuracy_ratio', 'exp_loss'), false) AS relative,
        NOT diverged AND coalesce(isfinite(x) AND isfinite(y), false) AS measured
    FROM trials
    LEFT JOIN trials AS baseline ON baseline.sweep = trials.sweep
        AND baseline.trial_id = trials.baseline_id
    LEFT JOIN finals AS sparsity ON sparsity.sweep = trials.sweep
        AND sparsity.trial_id = trials.trial_id
        AND sparsity.layer IS NULL AND sparsity.name = 'sparsity'
    WHERE trials.wanted
        AND (
            trials.status = 'completed'
            OR (trials.status = 'failed' AND trials.failure_class = 'diverged')
        )
),
-- `chance` is the score of a model that knows nothing.
placed AS (
    SELECT
        cell.*,
        CASE score_rule
            WHEN 'accuracy_ratio' THEN exp(-loss.maximum) / measure.last
            WHEN 'exp_loss' THEN exp(measure.last - measure.maximum)
        END AS chance,
        measured AND relative AND (
            coalesce(y < 0.5 AND train.minimum > 0.9 * loss.maximum, false)
            OR coalesce(chance < 1 AND y <= chance + 0.1 * (1 - chance), false)
        ) AS at_chance
    FROM completed AS cell
    LEFT JOIN finals AS train ON train.sweep = cell.sweep AND train.trial_id = cell.trial_id
        AND train.layer IS NULL AND train.name = 'train_loss'
    LEFT JOIN finals AS loss ON loss.sweep = cell.sweep AND loss.trial_id = cell.baseline_id
        AND loss.layer IS NULL AND loss.name = 'val_loss'
    LEFT JOIN finals AS measure ON measure.sweep = cell.sweep
        AND measure.trial_id = cell.baseline_id
        AND measure.layer IS NULL AND measure.name = cell.metric
),
judged AS (
    SELECT
        *, at_chance AND coalesce(avg(at_chance::INTEGER) OVER sparser, 1) >= 0.5 AS floored
    FROM placed
    WINDOW sparser AS (
        PARTITION BY architecture, mechanism, measured ORDER BY x
        GROUPS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING
    )
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
    WHERE measured AND NOT at_chance
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
            0.05 * if(bool_and(relative), 1, quantile_cont(y, 0.9) - quantile_cont(y, 0.1)),
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
    sweep, trial_id, architecture, mechanism, x, y, score_rule, metric, measured, chance, adaptive,
    CASE
        WHEN diverged THEN 'diverged'
        WHEN NOT measured AND baseline_id IS NOT NULL AND baseline_status IS NOT NULL
            THEN 'no baseline: ' || baseline_id || ' is ' || baseline_status
        WHEN NOT measured THEN 'no score'
        WHEN floored THEN 'at the floor'
        WHEN at_chance THEN 'collapsed'
        WHEN alone.trial_id IS NOT NULL THEN 'fell alone'
    END AS left_out
FROM judged LEFT JOIN alone USING (sweep, trial_id);

SELECT * FROM kept.cells ORDER BY sweep, architecture, mechanism, x, trial_id;
