-- The small tables that every view rests on, empty until files fill them.
-- `store` numbers the run directories that are open together.
CREATE SCHEMA kept;
CREATE TABLE kept.trial_rows (
    store INTEGER, file VARCHAR, place BIGINT,
    sweep VARCHAR, trial_id VARCHAR, grid VARCHAR, config VARCHAR, seed BIGINT,
    baseline_id VARCHAR, score_rule VARCHAR, metric VARCHAR, goal VARCHAR, wanted BOOLEAN,
    created_at TIMESTAMPTZ, "commit" VARCHAR, dirty BOOLEAN, versions VARCHAR, adaptive BOOLEAN
);
CREATE TABLE kept.event_rows (
    folded BOOLEAN,
    sweep VARCHAR, trial_id VARCHAR, attempt INTEGER, status VARCHAR, ts TIMESTAMPTZ, host VARCHAR,
    pid BIGINT, device VARCHAR, resumed_from BIGINT, failure_class VARCHAR, detail VARCHAR,
    seconds VARCHAR
);
CREATE TABLE kept.cutoffs (store INTEGER, trial_id VARCHAR, attempt INTEGER, cutoff BIGINT);
-- Steps of compacted files that another file holds (`replaced`), or that no longer count.
CREATE TABLE kept.gone (
    file VARCHAR, replaced BOOLEAN, trial_id VARCHAR, attempt INTEGER, since BIGINT, until BIGINT
);
CREATE TABLE kept.metrics (
    sweep VARCHAR, trial_id VARCHAR, attempt INTEGER, step BIGINT, layer VARCHAR, name VARCHAR,
    value DOUBLE, ts TIMESTAMPTZ
);
CREATE TABLE kept.finals (
    sweep VARCHAR, trial_id VARCHAR, layer VARCHAR, name VARCHAR, step BIGINT, last DOUBLE,
    minimum DOUBLE, maximum DOUBLE, count BIGINT
);
