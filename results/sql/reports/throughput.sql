-- How much work each host does in an hour, and how long a step takes there. `busy_s` sums the attempts
-- that ended, `span_s` runs from the first start to the last end, `at_once` is their ratio: attempts
-- side by side on average. Step times are the median over attempts of what their trial measured last.
WITH cells AS (
    SELECT sweep, trial_id, coalesce(config::JSON->>'$.model.kind', '') AS architecture FROM trials
),
step_times AS (
    SELECT sweep, trial_id, last FROM finals WHERE layer IS NULL AND name = 'step_time_s'
),
attempts AS (
    SELECT
        sweep, trial_id, attempt,
        any_value(host) FILTER (status = 'running') AS host,
        any_value(device) FILTER (status = 'running') AS device,
        min(ts) FILTER (status = 'running') AS started_at,
        max(ts) FILTER (status <> 'running') AS ended_at,
        bool_or(status IN ('completed', 'stopped')) AS done
    FROM events
    GROUP BY sweep, trial_id, attempt
),
timed AS (
    SELECT
        attempts.*, cells.architecture, step_times.last AS step_time_s,
        (epoch_us(attempts.ended_at) - epoch_us(attempts.started_at)) / 1e6 AS seconds
    FROM attempts
    LEFT JOIN cells ON cells.sweep = attempts.sweep AND cells.trial_id = attempts.trial_id
    LEFT JOIN step_times ON step_times.sweep = attempts.sweep
        AND step_times.trial_id = attempts.trial_id
)
SELECT
    sweep, host, device, if(grouping(timed.architecture) = 1, '(all)', timed.architecture) AS architecture,
    count(*) AS attempts,
    count(*) FILTER (done) AS done,
    round(sum(seconds), 1) AS busy_s,
    round((epoch_us(max(ended_at)) - epoch_us(min(started_at))) / 1e6, 1) AS span_s,
    round(busy_s / nullif(span_s, 0), 2) AS at_once,
    round(3600 * count(*) FILTER (done) / nullif(span_s, 0), 1) AS done_per_hour,
    round(median(seconds), 2) AS median_s,
    round(median(step_time_s), 5) AS step_time_s
FROM timed
GROUP BY GROUPING SETS ((sweep, host, device, timed.architecture), (sweep, host, device))
ORDER BY sweep, host, device, grouping(timed.architecture), timed.architecture;
