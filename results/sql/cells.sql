-- The cells that a cliff can rest on, one row a completed trial, and why some are left out.
--
-- A cell is left out, of every group alike, when
--   no score    its score or its final sparsity is missing or not finite,
--   collapsed   its score is below 0.5 and its train loss never fell below 0.9 of chance, chance
--               being the largest validation loss of its baseline (the one before any training),
--   fell alone  its score lies more than greatest(0.1, 6 sigma) below the median of the next cells
--               of its mechanism with higher sparsity (at most 5, at least 3): what sparsity did
--               would have been done to them as well. sigma is the noise within the architecture,
--               from how far each cell lies off the line between its two neighbours.
-- The constants 0.5 and 0.1 presuppose a score whose baseline is 1, so without such a rule only
-- `no score` and 6 sigma apply.
CREATE OR REPLACE TABLE kept.cells AS
WITH
completed AS (
    SELECT
        sweep, trial_id, baseline_id,
        coalesce(config::JSON->>'$.model.kind', '') AS architecture,
        regexp_extract(grid, '[^.]*$') AS mechanism,
        sparsity AS x, score AS y,
        coalesce(score_rule IN ('accuracy_ratio', 'exp_loss'), false) AS relative,
        isfinite(sparsity) AND isfinite(score) AS measured
    FROM trials
    WHERE status = 'completed' AND wanted
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
        count(*) OVER above AS above,
        median(y) OVER above AS level,
        lag(x) OVER ranked AS x0, lag(y) OVER ranked AS y0,
        lead(x) OVER ranked AS x2, lead(y) OVER ranked AS y2
    FROM judged
    WHERE measured AND NOT collapsed
    WINDOW
        ranked AS (PARTITION BY architecture, mechanism ORDER BY x, trial_id),
        above AS (
            PARTITION BY architecture, mechanism ORDER BY x, trial_id
            ROWS BETWEEN 1 FOLLOWING AND 5 FOLLOWING
        )
),
noise AS (
    SELECT
        architecture,
        1.4826 * median(abs(y - y0 - share * (y2 - y0)) / sqrt(1 + share ** 2 + (1 - share) ** 2))
            AS sigma
    FROM (
        SELECT *, if(x2 > x0, (x - x0) / (x2 - x0), 0.5) AS share
        FROM neighbours
        WHERE x0 IS NOT NULL AND x2 IS NOT NULL
    )
    GROUP BY architecture
),
alone AS (
    SELECT sweep, trial_id
    FROM neighbours JOIN noise USING (architecture)
    WHERE above >= 3 AND level - y > greatest(if(relative, 0.1, 0), 6 * sigma)
)
SELECT
    sweep, trial_id, architecture, mechanism, x, y,
    CASE
        WHEN measured IS NOT true THEN 'no score'
        WHEN collapsed THEN 'collapsed'
        WHEN alone.trial_id IS NOT NULL THEN 'fell alone'
    END AS left_out
FROM judged LEFT JOIN alone USING (sweep, trial_id)
ORDER BY sweep, architecture, mechanism, x, trial_id;

SELECT * FROM kept.cells ORDER BY sweep, architecture, mechanism, x, trial_id;
