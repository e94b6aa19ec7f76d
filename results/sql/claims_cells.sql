-- What the claims rest on, copied out of the views once, so that files may be folded meanwhile.
--
-- kept.runs    one row a completed trial that its sweep asks for; a trial that several of the open
--              sweeps hold counts once, since equal ids are equal workloads.
-- kept.lasts   its last values, whole-model (`layer` null) and by layer.
-- kept.curves  its values over steps, of the few measures that some claim follows over training.
--
-- Two runs differ in the activation alone when `setting` and `seed` are equal; `setting` is the
-- workload without both. `plain` runs have an ordinary norm. `scale` says what was trained and for
-- how long.
CREATE OR REPLACE TABLE kept.runs AS
WITH
ended AS (
    SELECT sweep, trial_id, seed, grid, step, config.config::JSON AS config
    FROM trials JOIN (SELECT sweep, trial_id, config FROM kept.planned) AS config
        USING (sweep, trial_id)
    WHERE wanted AND status = 'completed'
    QUALIFY row_number() OVER (PARTITION BY trial_id ORDER BY sweep) = 1
)
SELECT
    sweep, trial_id, seed, step AS steps, config, regexp_extract(grid, '[^.]*$') AS mechanism,
    config->>'$.model.kind' AS model,
    config->>'$.task.kind' AS task,
    if(task = 'random_data' OR config->>'$.task.data' = 'random', 'random', 'real') AS data,
    coalesce(config->>'$.task.criterion', 'cross_entropy') AS criterion,
    config->>'$.activation.kind' AS kind,
    coalesce(config->>'$.norm.kind', '') NOT SIMILAR TO 'quantile.*|restricted.*|token_bias' AS plain,
    concat_ws(' ', kind, printf('%g', try_cast(config->>'$.activation.clip' AS DOUBLE))) AS activation,
    if(try_cast(config->>'$.train.clip_grad_norm' AS DOUBLE) > 0, 'clipped', 'unclipped') AS gradient,
    json_merge_patch(config, '{"activation": null, "seed": null}')::VARCHAR AS setting,
    format(
        '{}{} on {}, {} step{}', model,
        coalesce(' (' || nullif(list_aggregate(list_transform(
            list_filter(json_keys(config, '$.model'), lambda k: k <> 'kind'),
            lambda k: k || ' ' || (config->'$.model'->>k)
        ), 'string_agg', ', '), '') || ')', ''),
        task, step, if(step = 1, '', 's')
    ) AS scale
FROM ended;

CREATE OR REPLACE TABLE kept.lasts AS
SELECT runs.trial_id, layer, name, last AS value
FROM finals JOIN kept.runs AS runs USING (sweep, trial_id);

CREATE OR REPLACE TABLE kept.curves AS
SELECT runs.trial_id, metrics.step, layer, name, value
FROM metrics JOIN kept.runs AS runs USING (sweep, trial_id)
WHERE name IN ('drift_z', 'sparsity', 'preact_grad_mean');

-- What a claim's own file fills: its rules, and one sample a part, setting and seed.
--
-- kept.rules    `part` and what is measured of it; `above`: whether the value must lie above
--               `threshold` or below; `wide`: the half width from which on an interval around the
--               threshold says nothing (a narrower one says that the claim could not be shown);
--               `seeds_needed`; `counts`: whether the verdict rests on it, or it is told beside;
--               `factor`: samples are logarithms of a ratio, told as the ratio.
-- kept.samples  `x` by part, setting and seed, and the trials that it comes from.
-- kept.found    parts whose interval is not one over seeds, with their own verdict.
CREATE OR REPLACE TABLE kept.rules (
    part VARCHAR, measure VARCHAR, above BOOLEAN, threshold DOUBLE, wide DOUBLE,
    seeds_needed BIGINT, counts BOOLEAN, factor BOOLEAN
);
CREATE OR REPLACE TABLE kept.samples (
    part VARCHAR, setting VARCHAR, seed BIGINT, x DOUBLE, trials VARCHAR[], steps BIGINT,
    scale VARCHAR
);
CREATE OR REPLACE TABLE kept.found (
    part VARCHAR, measure VARCHAR, bar VARCHAR, value DOUBLE, low DOUBLE, high DOUBLE,
    trials VARCHAR[], seeds BIGINT, seeds_needed BIGINT, scale VARCHAR, margin DOUBLE,
    verdict VARCHAR
);
SELECT count(*) AS runs FROM kept.runs;
