-- The rows of the history between two (name, trial, step), both included.
SELECT sweep, trial_id, attempt, step, layer, name, value, ts
FROM metrics
WHERE name BETWEEN $first_name AND $last_name
    AND (name > $first_name OR trial_id >= $first_trial)
    AND (name < $last_name OR trial_id <= $last_trial)
    AND step BETWEEN $first_step AND $last_step
ORDER BY name, trial_id, step, layer NULLS FIRST;
