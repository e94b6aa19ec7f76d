-- Time that attempts took, per grid; what failed attempts took is counted, and named beside it.
WITH
tries AS (
    SELECT
        trial_id, attempt, bool_or(status = 'failed') AS failed,
        epoch_us(max(ts) FILTER (status <> 'running'))
            - epoch_us(min(ts) FILTER (status = 'running')) AS microseconds
    FROM events GROUP BY trial_id, attempt
)
SELECT
    trials.grid, count(DISTINCT tries.trial_id) AS cells, count(*) AS attempts,
    sum(tries.microseconds) / 1e6 AS busy_s, median(tries.microseconds) / 1e6 AS median_s,
    max(tries.microseconds) / 1e6 AS longest_s,
    coalesce(sum(tries.microseconds) FILTER (tries.failed), 0) / 1e6 AS failed_s
FROM tries JOIN trials ON trials.trial_id = tries.trial_id
WHERE trials.wanted AND tries.microseconds IS NOT NULL
GROUP BY trials.grid
ORDER BY trials.grid
