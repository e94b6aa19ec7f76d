-- B: three changes (per-token bias, restricted LayerNorm, JSReLU) gain at least 36 % sparsity in inference and 50 % in training; the flatness ratio of a ReLU layer is its active share.
-- run: flatness
--
-- Measured: on ViT and GPT-nano with real data at equal seed, `sparsity` of the model with all three
-- changes (activation `jsrelu`, norm `token_bias` over `restricted_layernorm`) over that of the
-- plain one with ReLU, less 1: at the end for inference, the mean of the evaluations after step 0
-- for training. Of both activations the zeros are those of the derivative, but for inputs of
-- exactly 0. The headline is from a secondary source, for ImageNet-1K and C4.
--
-- gains, threshold 0.36 and 0.5: as claimed, "at least". wide 0.1: what would move a plain sparsity
-- of 0.6 by six points.
-- identity: |flatness_ratio / (1 − derivative_sparsity of the ReLU behind) − 1|, the largest of a
-- run's layers, at most 0.001: an identity of exact numbers that is computed in float32 here (the
-- tests hold 1e-5 in float64). wide 0.001.
INSERT INTO kept.rules
SELECT
    format('{}: {}', model, part), measure, above, threshold, wide, 3, true, false
FROM (VALUES ('vit'), ('gpt_nano')) AS model(model)
CROSS JOIN (VALUES
    ('inference', 'sparsity at the end over plain, less 1', true, 0.36, 0.1),
    ('training', 'sparsity over the training over plain, less 1', true, 0.5, 0.1),
    ('identity', '|flatness_ratio / active share − 1|', false, 0.001, 0.001)
) AS part(part, measure, above, threshold, wide);

INSERT INTO kept.samples BY NAME
WITH
followed AS (
    SELECT
        trial_id, arg_max(value, step) AS inference,
        avg(value) FILTER (step > 0) AS training
    FROM kept.curves WHERE name = 'sparsity' AND layer IS NULL GROUP BY trial_id
),
measured AS (
    SELECT
        *,
        kind = 'jsrelu' AND config->>'$.norm.kind' = 'token_bias'
            AND config->>'$.norm.base.kind' = 'restricted_layernorm' AS changed,
        json_merge_patch(setting, '{"norm": null}')::VARCHAR AS rest
    FROM kept.runs JOIN followed USING (trial_id)
    WHERE data = 'real' AND (changed OR (kind = 'relu' AND plain))
),
pairs AS (
    SELECT
        b.model AS model, b.setting AS setting, b.seed AS seed, b.steps AS steps, b.scale AS scale,
        [a.trial_id, b.trial_id] AS trials, b.inference / nullif(a.inference, 0) - 1 AS inference,
        b.training / nullif(a.training, 0) - 1 AS training
    FROM measured AS a JOIN measured AS b USING (rest, seed)
    WHERE NOT a.changed AND b.changed
),
ratios AS (
    SELECT trial_id, max(abs(ratio.value / (1 - zeros.value) - 1)) AS worst
    FROM kept.lasts AS ratio JOIN kept.lasts AS zeros USING (trial_id)
    WHERE ratio.name = 'flatness_ratio' AND zeros.name = 'derivative_sparsity'
        AND ratio.layer IS NOT NULL
        AND regexp_replace(ratio.layer, '[^.]*$', '') = regexp_replace(zeros.layer, '[^.]*$', '')
        AND zeros.value < 1
    GROUP BY trial_id
)
SELECT format('{}: {}', model, part) AS part, setting, seed, x, trials, steps, scale
FROM (
    SELECT *, unnest([
        {part: 'inference', x: inference}, {part: 'training', x: training}
    ], recursive := true)
    FROM pairs
)
UNION ALL BY NAME
SELECT
    format('{}: identity', model) AS part, setting, seed, worst AS x, [trial_id] AS trials, steps,
    scale
FROM kept.runs JOIN ratios USING (trial_id)
WHERE kind = 'relu' AND plain AND data = 'real';
