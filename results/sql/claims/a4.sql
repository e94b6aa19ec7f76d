-- A4: ReLU² has a good sparsity–accuracy ratio in GPT-nano, but amplifies activation spikes in intermediate layers, about 25 times.
-- run: spikes
--
-- Measured on GPT-nano and real data, ReLU² against ReLU at equal seed, all else equal; with the
-- gradient's norm clipped and not clipped, since squared activations train differently without. Each
-- part has to hold in both. A training that diverged has no values here: it takes a seed away.
--
-- score:    exp(loss of ReLU − loss of ReLU²) − 1 ≥ −0.01: not worse than by the hundredth that
--           counts as no loss of score throughout (`delta`). wide 0.01: as much.
-- sparsity: no more than 0.05 below ReLU's, so that the ratio is not good by giving sparsity up.
--           wide 0.05. The paper gives no number for "good".
-- spike:    largest |a| of an intermediate layer (neither the first nor the last, the largest of
--           them) over ReLU's. "About 25" read as within half an order of magnitude, so at least
--           25/√10 = 8; the post does not say over what. wide: a factor of 2 each way.
-- ratio:    the same of max/median of the non-zero |a|, at least 2: squaring alone changes the unit,
--           and a spike is one only beside its own layer. wide: a factor of 2 each way.
INSERT INTO kept.rules
SELECT
    format('{}, gradient {}', part, gradient), measure, true, threshold, wide, 3, true, factor
FROM (VALUES
    ('score', 'exp(loss of relu − of relu2) − 1', -0.01, 0.01, false),
    ('sparsity', 'sparsity of relu2 less relu', -0.05, 0.05, false),
    ('spike', 'spike_max of intermediate layers, relu2 over relu', ln(8), ln(2), true),
    ('ratio', 'spike_ratio of intermediate layers, relu2 over relu', ln(2), ln(2), true)
) AS part(part, measure, threshold, wide, factor)
CROSS JOIN (VALUES ('clipped'), ('unclipped')) AS gradient(gradient);

INSERT INTO kept.samples BY NAME
WITH
sites AS (
    SELECT
        trial_id, name, value,
        try_cast(regexp_extract(layer, '[0-9]+') AS BIGINT) AS place,
        min(place) OVER (PARTITION BY trial_id) AS first,
        max(place) OVER (PARTITION BY trial_id) AS last
    FROM kept.lasts WHERE layer IS NOT NULL AND name IN ('spike_max', 'spike_ratio')
),
inner_sites AS (
    SELECT trial_id, max(value) FILTER (name = 'spike_max') AS spike,
        max(value) FILTER (name = 'spike_ratio') AS ratio
    FROM sites WHERE place > first AND place < last GROUP BY trial_id
),
whole AS (
    SELECT trial_id, any_value(value) FILTER (name = 'val_loss') AS loss,
        any_value(value) FILTER (name = 'sparsity') AS sparsity
    FROM kept.lasts WHERE layer IS NULL GROUP BY trial_id
),
measured AS (
    SELECT * FROM kept.runs JOIN whole USING (trial_id) LEFT JOIN inner_sites USING (trial_id)
    WHERE model = 'gpt_nano' AND data = 'real' AND plain
),
pairs AS (
    SELECT
        squared.*, [plain.trial_id, squared.trial_id] AS trials,
        exp(plain.loss - squared.loss) - 1 AS d_score,
        squared.sparsity - plain.sparsity AS d_sparsity,
        ln(squared.spike / plain.spike) AS d_spike,
        ln(squared.ratio / plain.ratio) AS d_ratio
    FROM measured AS plain JOIN measured AS squared USING (setting, seed)
    WHERE plain.activation = 'relu' AND squared.activation = 'relu2'
)
SELECT
    format('{}, gradient {}', part, gradient) AS part, setting, seed, x, trials, steps, scale
FROM (
    SELECT *, unnest([
        {part: 'score', x: d_score}, {part: 'sparsity', x: d_sparsity},
        {part: 'spike', x: d_spike}, {part: 'ratio', x: d_ratio}
    ], recursive := true)
    FROM pairs
);
