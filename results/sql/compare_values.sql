-- The last value of every whole-model metric, of the cells that ended: a running one has none yet.
SELECT trial_id, name, last AS value
FROM finals
JOIN trials USING (sweep, trial_id)
WHERE layer IS NULL AND wanted AND status IN ('completed', 'stopped')
ORDER BY name, trial_id;
