-- Measured sparsity of every activation layer at the end of training.
--
-- Of an architecture with more than 40 cells, or 1000 layers in all its cells (4000 in those of all
-- architectures), an even sample of them by whole-model sparsity.
WITH
sizes AS (
    SELECT trial_id, count(*) AS many FROM layers WHERE name = 'sparsity' GROUP BY trial_id
),
cells AS (
    SELECT trials.trial_id, coalesce(config::JSON->>'$.model.kind', '') AS architecture,
        whole.last AS sparsity
    FROM trials
    JOIN finals AS whole ON whole.trial_id = trials.trial_id
        AND whole.layer IS NULL AND whole.name = 'sparsity'
    JOIN sizes ON sizes.trial_id = trials.trial_id
    WHERE wanted AND status = 'completed'
    QUALIFY (
        row_number() OVER (PARTITION BY architecture ORDER BY whole.last, trials.trial_id) - 1
    ) % ceil(greatest(
        1, count(*) OVER (PARTITION BY architecture) / 40,
        sum(sizes.many) OVER (PARTITION BY architecture) / 1000,
        sum(sizes.many) OVER () / 4000
    ))::BIGINT = 0
)
SELECT architecture, trial_id, layers.layer, cells.sparsity AS whole, layers.last AS sparsity
FROM cells JOIN layers USING (trial_id)
WHERE layers.name = 'sparsity'
ORDER BY architecture, whole, trial_id, layers.layer
