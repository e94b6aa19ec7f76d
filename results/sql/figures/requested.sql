-- Sparsity that a cell asked for (Top-K's share, a quantile's level) against what was measured.
--
-- Completed cells; of more than 1500 an even sample by what they asked for.
WITH
cells AS (
    SELECT trial_id, config::JSON AS config FROM trials WHERE wanted AND status = 'completed'
),
asked AS (
    SELECT
        cells.trial_id, coalesce(cells.config->>'$.model.kind', '') AS architecture,
        try_cast(cells.config->>'$.activation.share' AS DOUBLE) AS share,
        try_cast(cells.config->>'$.activation.quantile' AS DOUBLE) AS level,
        cells.config->>'$.activation.kind' AS activation, cells.config->>'$.norm.kind' AS norm,
        coalesce(share, level, try_cast(cells.config->>'$.norm.quantile' AS DOUBLE)) AS requested,
        achieved.last AS achieved
    FROM cells
    JOIN finals AS achieved ON achieved.trial_id = cells.trial_id
        AND achieved.layer IS NULL AND achieved.name = 'sparsity'
)
SELECT
    trial_id, architecture, if(coalesce(share, level) IS NULL, norm, activation) AS lever,
    requested, achieved
FROM asked
WHERE requested IS NOT NULL
QUALIFY (row_number() OVER (ORDER BY requested, achieved, trial_id) - 1)
    % greatest(1, ceil(count(*) OVER () / 1500))::BIGINT = 0
ORDER BY architecture, lever, requested, trial_id
