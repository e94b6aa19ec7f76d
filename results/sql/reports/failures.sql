-- Which attempts failed, why, and whether a later one mended it. `lost_s` is the time from the
-- attempt's start to its failure; the newest failure comes first.
WITH cells AS (SELECT sweep, trial_id, grid, status FROM trials),
began AS (
    SELECT sweep, trial_id, attempt, any_value(ts) AS ts, any_value(resumed_from) AS resumed_from
    FROM events WHERE status = 'running'
    GROUP BY sweep, trial_id, attempt
)
SELECT
    failed.sweep, failed.trial_id, cells.grid, failed.attempt, failed.failure_class,
    failed.ts AS failed_at,
    round((epoch_us(failed.ts) - epoch_us(began.ts)) / 1e6, 1) AS lost_s,
    began.resumed_from, failed.host, failed.device,
    cells.status AS standing,
    coalesce(cells.status IN ('completed', 'stopped'), false) AS mended,
    split_part(failed.detail, chr(10), 1) AS detail
FROM events AS failed
LEFT JOIN cells ON cells.sweep = failed.sweep AND cells.trial_id = failed.trial_id
LEFT JOIN began ON began.sweep = failed.sweep AND began.trial_id = failed.trial_id
    AND began.attempt = failed.attempt
WHERE failed.status = 'failed'
ORDER BY failed.ts DESC, failed.trial_id, failed.attempt;
