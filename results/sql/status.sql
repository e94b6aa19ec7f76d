-- One row a trial: the newest of its rows, and what its events say.
CREATE TABLE kept.planned AS
SELECT * EXCLUDE (store, file, place)
FROM kept.trial_rows
QUALIFY row_number() OVER (PARTITION BY sweep, trial_id ORDER BY file DESC, place DESC) = 1;

-- A fold and a loose file may both hold an event until the loose one is deleted: the fold wins.
CREATE TABLE kept.happened AS
SELECT * EXCLUDE (folded)
FROM kept.event_rows
QUALIFY row_number() OVER (
    PARTITION BY sweep, trial_id, attempt, status = 'running' ORDER BY folded DESC
) = 1
ORDER BY sweep, trial_id, attempt, status <> 'running';

CREATE VIEW events AS SELECT * FROM kept.happened;

CREATE TABLE kept.attempts AS
SELECT
    sweep, trial_id, attempt,
    min(ts) FILTER (status = 'running') AS started_at,
    min(ts) FILTER (status <> 'running') AS ended_at,
    coalesce(any_value(status) FILTER (status <> 'running'), 'running') AS status,
    any_value(failure_class) FILTER (status <> 'running') AS failure_class,
    any_value(detail) FILTER (status <> 'running') AS detail,
    -- What the worker measured itself; where it could not, what the clocks of its events say.
    coalesce(
        any_value(list_sum(json_extract(seconds, '$.*')::DOUBLE[])),
        (epoch_us(min(ts) FILTER (status <> 'running'))
            - epoch_us(min(ts) FILTER (status = 'running'))) / 1e6
    ) AS duration_s
FROM kept.happened
GROUP BY sweep, trial_id, attempt;

-- A trial's status is that of its highest attempt; its duration sums the attempts that ended.
CREATE TABLE kept.status AS
SELECT
    sweep, trial_id,
    count(*) AS attempts,
    min(started_at) AS started_at,
    max_by(status, attempt) AS status,
    arg_max_null(ended_at, attempt) AS ended_at,
    arg_max_null(failure_class, attempt) AS failure_class,
    arg_max_null(detail, attempt) AS detail,
    sum(duration_s) AS duration_s
FROM kept.attempts
GROUP BY sweep, trial_id;

-- Of the trials that the sweep still asks for. What is neither running nor at an end is missing.
CREATE VIEW coverage AS
SELECT
    sweep, grid,
    count(*) AS expected,
    count(*) FILTER (status = 'completed') AS completed,
    count(*) FILTER (status = 'stopped') AS stopped,
    count(*) FILTER (status = 'failed') AS failed,
    count(*) FILTER (status = 'running') AS running,
    count(*) FILTER (status IS NULL OR status = 'cancelled') AS missing
FROM kept.planned LEFT JOIN kept.status USING (sweep, trial_id)
WHERE wanted
GROUP BY sweep, grid
ORDER BY sweep, grid;
