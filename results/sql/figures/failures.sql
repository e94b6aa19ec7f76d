-- Attempts that did not succeed, the newest first: class, and the first line of what they said.
--
-- The newest 100; `attempts` counts all.
SELECT
    events.trial_id, trials.grid, events.attempt, events.failure_class,
    left(regexp_extract(events.detail, '^[^\n]*'), 300) AS detail,
    events.host,
    strftime(events.ts, '%Y-%m-%d %H:%M:%S') AS utc, trials.status AS status_now, count(*) OVER () AS attempts
FROM events LEFT JOIN trials USING (trial_id)
WHERE events.status = 'failed'
ORDER BY events.ts DESC, events.trial_id, events.attempt
LIMIT 100
