-- One row a trial. {config} reads the JSON as a struct, {metrics} is one column a metric.
CREATE OR REPLACE TABLE trials AS
WITH
status AS (
    SELECT planned.*, coalesce(status, 'planned') AS status, started_at, ended_at, duration_s,
        coalesce(attempts, 0) AS attempts, failure_class, detail
    FROM kept.planned LEFT JOIN kept.status USING (sweep, trial_id)
),
last AS (SELECT * FROM kept.finals WHERE layer IS NULL),
-- The metric that the score reads, of the trial itself and of its baseline.
measured AS (
    SELECT status.*, own.last AS own_value, of_baseline.last AS baseline_value
    FROM status
    LEFT JOIN last AS own ON own.sweep = status.sweep
        AND own.trial_id = status.trial_id AND own.name = status.metric
    LEFT JOIN status AS baseline ON baseline.sweep = status.sweep
        AND baseline.trial_id = status.baseline_id AND baseline.status = 'completed'
    LEFT JOIN last AS of_baseline ON of_baseline.sweep = baseline.sweep
        AND of_baseline.trial_id = baseline.trial_id AND of_baseline.name = status.metric
),
-- Only ends count: a running trial's latest value is not its final evaluation.
scored AS (
    SELECT *, CASE
        WHEN status NOT IN ('completed', 'stopped') THEN NULL
        WHEN baseline_id IS NULL THEN if(goal = 'minimize', -own_value, own_value)
        WHEN score_rule = 'accuracy_ratio' THEN own_value / baseline_value
        WHEN score_rule = 'exp_loss' THEN exp(baseline_value - own_value)
        WHEN score_rule = 'difference'
            THEN if(goal = 'minimize', baseline_value - own_value, own_value - baseline_value)
    END AS score
    FROM measured
),
reached AS (SELECT sweep, trial_id, max(step) AS step FROM kept.finals GROUP BY sweep, trial_id),
wide AS (SELECT sweep, trial_id{metrics} FROM last GROUP BY sweep, trial_id)
SELECT
    scored.sweep, scored.trial_id, grid, status, wanted, seed, {config} AS config,
    baseline_id, score_rule, metric, goal, started_at, ended_at, duration_s, attempts,
    failure_class, detail, created_at, "commit", dirty, versions::JSON AS versions,
    coalesce(adaptive, false) AS adaptive,
    reached.step AS step, score,
    wide.* EXCLUDE (sweep, trial_id)
FROM scored
LEFT JOIN reached ON reached.sweep = scored.sweep AND reached.trial_id = scored.trial_id
LEFT JOIN wide ON wide.sweep = scored.sweep AND wide.trial_id = scored.trial_id
ORDER BY scored.sweep, grid, scored.trial_id;
