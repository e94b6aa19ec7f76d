-- Activations by how much better they do than the baseline cell of the same seed.
--
-- Cells that differ from their baseline in the activation alone. `gain` is the mean over seeds of
-- the paired difference of the metric, positive where the activation does better; `low` and `high`
-- are Student's 95 % interval of that mean, empty with one seed.
WITH
cells AS (
    SELECT
        trials.trial_id, baseline_id, seed, coalesce(config::JSON->>'$.model.kind', '')
            AS architecture,
        json_merge_patch(config::JSON, '{"activation": null, "seed": null}')::VARCHAR AS rest,
        config::JSON->'$.activation' AS activation, metric, goal, score, own.last AS value,
        sparsity.last AS sparsity, spike.last AS spike
    FROM trials
    LEFT JOIN finals AS own ON own.trial_id = trials.trial_id
        AND own.layer IS NULL AND own.name = trials.metric
    LEFT JOIN finals AS sparsity ON sparsity.trial_id = trials.trial_id
        AND sparsity.layer IS NULL AND sparsity.name = 'sparsity'
    LEFT JOIN finals AS spike ON spike.trial_id = trials.trial_id
        AND spike.layer IS NULL AND spike.name = 'spike_max'
    WHERE wanted AND status = 'completed'
),
fields AS (
    SELECT
        trial_id, field.key AS name, field.fullkey AS path,
        regexp_replace(field.atom->>'$', '^(\d+)\.0$', '\1') AS word
    FROM cells, json_tree(cells.activation) AS field
    WHERE field.atom IS NOT NULL AND field.type <> 'NULL'
),
-- An activation is called by its kind and by what differs between some of that field.
named AS (
    SELECT trial_id, string_agg(
        if(name = 'kind', word, name || ' ' || word), ', ' ORDER BY path <> '$.kind', path
    ) AS name
    FROM fields
    WHERE path = '$.kind'
        OR path IN (SELECT path FROM fields GROUP BY path HAVING count(DISTINCT word) > 1)
    GROUP BY trial_id
),
paired AS (
    SELECT
        cell.trial_id, cell.architecture, named.name, cell.activation::VARCHAR AS identity,
        cell.metric, cell.goal, cell.seed, cell.score,
        cell.value, cell.sparsity, cell.spike, cell.trial_id = cell.baseline_id AS is_baseline,
        if(cell.goal = 'minimize', baseline.value - cell.value, cell.value - baseline.value) AS gain
    FROM cells AS cell
    JOIN cells AS baseline ON baseline.trial_id = cell.baseline_id AND baseline.rest = cell.rest
        AND baseline.seed IS NOT DISTINCT FROM cell.seed
    JOIN named ON named.trial_id = cell.trial_id
),
-- Sums of floats depend on their order, so it is given. The 97.5 % points of Student's t with 1 to 30 degrees of freedom, then the normal one.
means AS (
    SELECT
        architecture, name, identity, metric, goal, is_baseline,
        count(*) FILTER (isfinite(gain)) AS seeds,
        avg(value ORDER BY trial_id) FILTER (isfinite(value)) AS value,
        avg(score ORDER BY trial_id) FILTER (isfinite(score)) AS score,
        avg(gain ORDER BY trial_id) FILTER (isfinite(gain)) AS gain,
        stddev_samp(gain ORDER BY trial_id) FILTER (isfinite(gain)) / sqrt(seeds) * coalesce([
            12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281,
            2.2010, 2.1788, 2.1604, 2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860,
            2.0796, 2.0739, 2.0687, 2.0639, 2.0595, 2.0555, 2.0518, 2.0484, 2.0452, 2.0423
        ][seeds - 1], 1.96) AS half,
        avg(sparsity ORDER BY trial_id) AS sparsity, max(spike) AS spike
    FROM paired
    GROUP BY architecture, name, identity, metric, goal, is_baseline
)
SELECT
    architecture, name AS activation, metric, goal, is_baseline, seeds, value, score, gain,
    if(is_baseline, NULL, gain - half) AS low, if(is_baseline, NULL, gain + half) AS high,
    sparsity, spike
FROM means
QUALIFY row_number() OVER (PARTITION BY architecture ORDER BY gain DESC NULLS LAST, identity) <= 40
ORDER BY architecture, gain DESC NULLS LAST, identity
