-- One row a cell: measured sparsity, score, and what sets it apart from its baseline.
--
-- Cells that completed, and those whose loss ceased to be finite; of more than 1500 an even sample
-- by sparsity. `label` holds the values that differ between the cells of one grid and from the
-- baseline's, and the kinds that differ from the baseline's.
WITH
ended AS (
    SELECT
        trials.trial_id, grid, score_rule, coalesce(config::JSON->>'$.model.kind', '') AS architecture,
        regexp_extract(grid, '[^.]*$') AS mechanism, seed, status,
        config::JSON AS config, baseline_id,
        sparsity.last AS sparsity, score, metric, own.last AS value
    FROM trials
    LEFT JOIN finals AS sparsity ON sparsity.trial_id = trials.trial_id
        AND sparsity.layer IS NULL AND sparsity.name = 'sparsity'
    LEFT JOIN finals AS own ON own.trial_id = trials.trial_id
        AND own.layer IS NULL AND own.name = trials.metric
    WHERE wanted AND (status = 'completed' OR (status = 'failed' AND failure_class = 'diverged'))
    QUALIFY (row_number() OVER (ORDER BY sparsity.last, trials.trial_id) - 1)
        % greatest(1, ceil(count(*) OVER () / 1500))::BIGINT = 0
),
leaves AS (
    SELECT grid, trial_id, leaf.fullkey AS path, leaf.key AS name, leaf.id AS place,
        regexp_replace(leaf.atom->>'$', '^(\d+)\.0$', '\1') AS word
    FROM ended, json_tree(ended.config) AS leaf
    WHERE leaf.atom IS NOT NULL AND leaf.type <> 'NULL' AND leaf.fullkey <> '$.seed'
),
cells AS (SELECT grid, count(*) AS number FROM ended GROUP BY grid),
spread AS (
    SELECT
        grid, path, regexp_replace(path, '\.[^.]*$', '') AS parent,
        count(DISTINCT word) > 1 AS differs, count(*) < any_value(number) AS lacking
    FROM leaves JOIN cells USING (grid)
    GROUP BY grid, path
),
-- A field that some kinds have and others lack tells nothing that the kind does not.
varying AS (
    SELECT grid, path FROM spread
    WHERE differs OR (
        lacking AND (grid, parent || '.kind') NOT IN (SELECT (grid, path) FROM spread WHERE differs)
    )
),
told AS (
    SELECT
        leaves.trial_id, leaves.place, varying.path IS NOT NULL AS varies,
        baseline.word IS NOT DISTINCT FROM leaves.word AS same_as_baseline,
        ended.baseline_id IN (SELECT trial_id FROM ended)
            AND regexp_full_match(leaves.path, '\$\.[^.]*\.kind') AS names_part,
        if(leaves.name = 'kind', leaves.word, leaves.name || ' ' || leaves.word) AS word
    FROM leaves
    JOIN ended USING (trial_id)
    LEFT JOIN varying ON varying.grid = leaves.grid AND varying.path = leaves.path
    LEFT JOIN leaves AS baseline ON baseline.trial_id = ended.baseline_id
        AND baseline.path = leaves.path
),
labels AS (
    SELECT
        trial_id,
        string_agg(word, ', ' ORDER BY place)
            FILTER ((varies OR names_part) AND NOT same_as_baseline) AS apart,
        string_agg(word, ', ' ORDER BY place) FILTER (varies) AS within
    FROM told
    GROUP BY trial_id
)
SELECT
    trial_id, grid, architecture, mechanism, coalesce(apart, within, '') AS label, seed, status, sparsity,
    score, score_rule, metric, value
FROM ended LEFT JOIN labels USING (trial_id)
ORDER BY architecture, mechanism, sparsity, trial_id
