-- A1: weights drift negative early in training, whatever the data, for ReLU, GELU and SiLU, in MLP, ResNet, ViT, GPT-nano and MP-SENet.
-- run: drift
--
-- Measured: `drift_z` = 2·mean(W − W₀) / (std W₀ + std W) by weight tensor, as the authors print it,
-- at the last evaluation within the first quarter of training; of a run the median of its tensors,
-- so that half of them drift as far. (A mean would be that of a tensor with a single element, whose
-- deviation is 0 and whose value is 10⁵.) The paper does not say how early is early; a quarter is
-- ours.
--
-- Told beside: the same of all weights together, where each element counts once.
--
-- A part is one architecture, real or random data, one activation: 30 of them. The claim says
-- "whatever", so each part has to hold.
--
-- threshold −0.01: the mean moved by a hundredth of a standard deviation. Before ReLU units with 64
-- inputs that are themselves rectified, √64 · 0.56 · 0.01 = 0.045 standard deviations of the
-- pre-activation, which is under 2 points of sparsity; less than that is no drift worth a claim.
-- wide 0.02: twice the threshold; a wider interval could hide a drift that matters.
-- 3 seeds: the fewest with a spread; t is 4.3 then.
INSERT INTO kept.rules
SELECT
    format('{}, {} data, {}{}', model, data, kind, suffix), measure, false, -0.01, 0.02, 3, counts,
    false
FROM (SELECT unnest(['mlp', 'resnet', 'vit', 'gpt_nano', 'mp_senet']) AS model)
CROSS JOIN (SELECT unnest(['real', 'random']) AS data)
CROSS JOIN (SELECT unnest(['relu', 'gelu', 'silu']) AS kind)
CROSS JOIN (VALUES
    ('', 'drift_z, median of tensors, first quarter', true),
    (', all together', 'drift_z of all weights, first quarter', false)
) AS way(suffix, measure, counts);

INSERT INTO kept.samples BY NAME
WITH early AS (
    SELECT trial_id, layer, arg_max(value, step) AS value
    FROM kept.curves JOIN kept.runs USING (trial_id)
    WHERE name = 'drift_z' AND step > 0 AND step <= steps / 4
    GROUP BY trial_id, layer
)
SELECT
    format('{}, {} data, {}{}', model, data, kind, if(layer IS NULL, ', all together', '')) AS part,
    setting, seed, median(value) AS x, [trial_id] AS trials, any_value(steps) AS steps,
    any_value(scale) AS scale
FROM kept.runs JOIN early USING (trial_id)
WHERE plain AND criterion = 'cross_entropy'
GROUP BY ALL;
