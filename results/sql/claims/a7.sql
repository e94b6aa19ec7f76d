-- A7: at initialisation the expected gradient of the loss by a pre-activation is not negative, under squared error and cross-entropy.
-- run: theorem
--
-- Measured: `preact_grad_mean` at step 0, the mean of ∂loss/∂p over the units and the validation
-- set, over many initialisations (seeds). The theorem (1.2 of the paper) is about one hidden layer,
-- so an MLP with one hidden layer of ReLU is what the verdict rests on: both losses, real and random
-- data. It promises more than "not negative" there: strictly positive where p > 0, and ReLU passes
-- no gradient elsewhere; so a mean above 0 is asked for. Other layers are told beside.
--
-- The value is divided by its standard deviation over initialisations, so that parts compare.
-- threshold 0. wide 0.5: an interval around 0 that is wider than half a deviation each way says
-- nothing; 30 seeds, the fewest, give 0.37.
INSERT INTO kept.rules
SELECT
    format('mlp with one hidden layer, {} data, {}', data, loss),
    'preact_grad_mean at step 0, in deviations over seeds', true, 0.0, 0.5, 30, true, false
FROM (VALUES ('real'), ('random')) AS data(data)
CROSS JOIN (VALUES ('cross_entropy'), ('mse')) AS loss(loss);

INSERT INTO kept.samples BY NAME
WITH
first AS (
    SELECT
        runs.*, layer, value,
        value / nullif(stddev_samp(value) OVER (PARTITION BY setting, kind, layer), 0) AS x,
        count(*) OVER (PARTITION BY trial_id) AS layers
    FROM kept.curves JOIN kept.runs AS runs USING (trial_id)
    WHERE name = 'preact_grad_mean' AND layer IS NOT NULL AND step = 0 AND isfinite(value)
        AND activation IN ('relu', 'gelu', 'silu') AND plain
)
SELECT
    if(
        model = 'mlp' AND layers = 1 AND kind = 'relu',
        format('mlp with one hidden layer, {} data, {}', data, criterion),
        format('{} {}, {} data, {}, {}', model, layer, data, criterion, kind)
    ) AS part,
    setting, seed, x, [trial_id] AS trials, steps, scale
FROM first;

INSERT INTO kept.rules
SELECT DISTINCT
    part, 'preact_grad_mean at step 0, in deviations over seeds', true, 0.0, 0.5, 30, false, false
FROM kept.samples WHERE part NOT IN (SELECT part FROM kept.rules) ORDER BY part;
