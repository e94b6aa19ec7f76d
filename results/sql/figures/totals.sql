-- The sweep in one row: cells, seeds, and the time from the first start to the last event.
WITH
cells AS (
    SELECT
        count(*) AS expected,
        count(*) FILTER (status = 'completed') AS completed,
        count(*) FILTER (status = 'stopped') AS stopped,
        count(*) FILTER (status = 'failed') AS failed,
        count(*) FILTER (status = 'running') AS running,
        count(*) FILTER (status IN ('planned', 'cancelled')) AS missing,
        count(DISTINCT seed) AS seeds,
        coalesce(list_sort(list(DISTINCT metric)), [])::JSON AS metrics,
        sum(duration_s ORDER BY trial_id) AS busy_s
    FROM trials WHERE wanted
),
span AS (
    SELECT min(ts) AS started_at, max(ts) AS last_event_at, count(DISTINCT (host, pid)) AS workers
    FROM events
)
SELECT
    cells.*, span.*,
    (epoch_us(last_event_at) - epoch_us(started_at)) / 1e6 AS wall_s,
    (SELECT count(*) FROM trials WHERE NOT wanted) AS no_longer_wanted
FROM cells, span
