-- All trials, their configuration as the JSON text that was stored.
SELECT trials.* REPLACE (planned.config AS config, trials.versions::VARCHAR AS versions)
FROM trials
JOIN kept.planned AS planned USING (sweep, trial_id)
ORDER BY trials.grid, trial_id;
