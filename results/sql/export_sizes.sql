-- How many rows of the history each metric of each trial has, and up to which step.
SELECT name, trial_id, sum(count)::BIGINT AS rows, max(step) AS step
FROM finals
GROUP BY name, trial_id
ORDER BY name, trial_id;
