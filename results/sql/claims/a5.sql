-- A5: clipping ReLU² removes the spikes and beats unclipped ReLU²; squared variants beat the others; GELU² has the lowest validation loss.
-- run: spikes
--
-- Measured on GPT-nano and real data, at equal seed, all else equal; with the gradient's norm clipped
-- and not clipped. Each part has to hold in both. A training that diverged takes a seed away.
--
-- spike:   largest |a| of any layer with the square clipped at 15 over that without, at most a half:
--          "removed" has to be more than a change of scale between two trainings. Where unclipped
--          ReLU² reaches no such value there is nothing to remove, and that is not supported.
--          wide: a factor of 2 each way.
-- losses:  each difference above 0, which is what "beats" says; no size is claimed. wide 0.01 nats:
--          an interval around 0 that is narrower shows that there is no difference worth the name,
--          a wider one shows nothing.
-- clip 15 is what "clipping" is judged by. With clip 50 the same is told beside: where nothing
-- reaches 50 it changes nothing.
-- GELU² has the lowest loss if it is lower than each of the seven others of the paper's block; at
-- 95 % each, all of them together need no correction (an intersection–union test).
INSERT INTO kept.rules
SELECT
    format('{}, gradient {}', part, gradient), measure, above, threshold, wide, 3, counts, factor
FROM (
    SELECT *, true AS counts FROM (VALUES
        ('spike: relu2_clip 15 over relu2', 'spike_max', false, ln(0.5), ln(2), true),
        ('loss: relu2 less relu2_clip 15', 'val_loss', true, 0.0, 0.01, false),
        ('loss: relu less relu2', 'val_loss', true, 0.0, 0.01, false),
        ('loss: gelu less gelu2', 'val_loss', true, 0.0, 0.01, false),
        ('loss: relu less gelu2', 'val_loss', true, 0.0, 0.01, false),
        ('loss: noisy_relu less gelu2', 'val_loss', true, 0.0, 0.01, false),
        ('loss: sugar_bsilu less gelu2', 'val_loss', true, 0.0, 0.01, false),
        ('loss: relu2 less gelu2', 'val_loss', true, 0.0, 0.01, false),
        ('loss: relu2_clip 15 less gelu2', 'val_loss', true, 0.0, 0.01, false),
        ('loss: relu2_clip 50 less gelu2', 'val_loss', true, 0.0, 0.01, false)
    ) AS counted(part, measure, above, threshold, wide, factor)
    UNION ALL
    SELECT *, false FROM (VALUES
        ('spike: relu2_clip 50 over relu2', 'spike_max', false, ln(0.5), ln(2), true),
        ('loss: relu2 less relu2_clip 50', 'val_loss', true, 0.0, 0.01, false)
    )
)
CROSS JOIN (VALUES ('clipped'), ('unclipped')) AS gradient(gradient);

INSERT INTO kept.samples BY NAME
WITH
measured AS (
    SELECT
        runs.*, any_value(value) FILTER (name = 'val_loss') AS loss,
        any_value(value) FILTER (name = 'spike_max') AS spike
    FROM kept.runs AS runs JOIN kept.lasts USING (trial_id)
    WHERE layer IS NULL AND model = 'gpt_nano' AND data = 'real' AND plain
        AND coalesce(config->>'$.activation.form', 'paper') = 'paper'
    GROUP BY ALL
),
pairs AS (
    SELECT
        a.activation AS one, b.activation AS other, b.gradient AS gradient, b.setting AS setting,
        b.seed AS seed, b.steps AS steps, b.scale AS scale, [a.trial_id, b.trial_id] AS trials,
        a.loss - b.loss AS less, ln(a.spike / b.spike) AS over
    FROM measured AS a JOIN measured AS b USING (setting, seed)
)
SELECT
    format('loss: {} less {}, gradient {}', one, other, gradient) AS part, setting, seed, less AS x,
    trials, steps, scale
FROM pairs
UNION ALL BY NAME
SELECT
    format('spike: {} over {}, gradient {}', one, other, gradient) AS part, setting, seed,
    over AS x, trials, steps, scale
FROM pairs;
