-- A6: ReLUfication (GELU to ReLU) restores sparsity at negligible cost.
-- run: relufication
--
-- Measured at equal seed, all else equal, by architecture and in two ways that the word is used:
-- `start`, ReLU instead of GELU from the first step on, and `late`, GELU for the first part of the
-- training and ReLU for the rest (activation `relufied`). Each part has to hold.
--
-- sparsity: at least 0.4 at the end (GELU has none): the level from which on published speed-ups
--           start (TEAL, arXiv 2408.14690: 40–50 %, 1.53–1.8 times). wide 0.1: a quarter of it.
-- cost:     score against GELU, accuracy / accuracy − 1 for images and exp(loss − loss) − 1 for
--           text, at least −0.01: the hundredth that counts as no loss throughout (`delta`), a test
--           of non-inferiority. wide 0.01: as much.
INSERT INTO kept.rules
SELECT format('{}, {}: {}', model, way, part), measure, true, threshold, wide, 3, true, false
FROM (VALUES ('gpt_nano'), ('resnet'), ('vit')) AS model(model)
CROSS JOIN (VALUES ('start'), ('late')) AS way(way)
CROSS JOIN (VALUES
    ('sparsity', 'sparsity at the end', 0.4, 0.1),
    ('cost', 'score against gelu, less 1', -0.01, 0.01)
) AS part(part, measure, threshold, wide);

INSERT INTO kept.samples BY NAME
WITH
measured AS (
    SELECT
        runs.*, any_value(value) FILTER (name = 'val_loss') AS loss,
        any_value(value) FILTER (name = 'val_accuracy') AS accuracy,
        any_value(value) FILTER (name = 'sparsity') AS sparsity
    FROM kept.runs AS runs JOIN kept.lasts USING (trial_id)
    WHERE layer IS NULL AND data = 'real' AND plain AND kind IN ('relu', 'gelu', 'relufied')
    GROUP BY ALL
),
pairs AS (
    SELECT
        relu.*, [gelu.trial_id, relu.trial_id] AS trials,
        if(relu.kind = 'relu', 'start', 'late') AS way,
        if(
            relu.model = 'gpt_nano', exp(gelu.loss - relu.loss), relu.accuracy / gelu.accuracy
        ) - 1 AS cost
    FROM measured AS gelu JOIN measured AS relu USING (setting, seed)
    WHERE gelu.kind = 'gelu' AND relu.kind <> 'gelu'
)
SELECT format('{}, {}: {}', model, way, part) AS part, setting, seed, x, trials, steps, scale
FROM (
    SELECT *, unnest([{part: 'sparsity', x: sparsity}, {part: 'cost', x: cost}], recursive := true)
    FROM pairs
);
