-- The cells that a sweep asks for, with their configuration as it was stored.
SELECT trial_id, trials.grid, trials.status, planned.config AS config, score
FROM trials
JOIN kept.planned AS planned USING (sweep, trial_id)
WHERE trials.wanted
ORDER BY trials.grid, trial_id;
