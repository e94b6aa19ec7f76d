-- What each part of a claim says, out of kept.rules and kept.samples: the mean over seeds, its 95 %
-- interval by Student's t over seeds, and the verdict of that interval.
--
-- A part that several settings can answer is answered by the one with most seeds, of equal ones by
-- the longer training. Seeds are the only replicates: cells of one seed share data order and
-- baseline. With fewer than `seeds_needed` seeds, or no spread to judge by, there is no verdict.
--
-- Values that are all equal have an interval of no width; one that lies on the threshold is not
-- beyond it, so that a change without any effect beats nothing.
--
-- `margin` is how many half widths the value lies on the claim's side; the smallest decides.
WITH
settings AS (
    SELECT
        part, setting, count(*) AS seeds, avg(x) AS value, stddev_samp(x) AS deviation,
        list_sort(list_distinct(flatten(list(trials)))) AS trials,
        max(steps) AS steps, min(scale) AS scale
    FROM kept.samples
    WHERE isfinite(x)
    GROUP BY part, setting
),
answering AS (
    FROM settings
    QUALIFY row_number() OVER (PARTITION BY part ORDER BY seeds DESC, steps DESC, setting) = 1
),
estimated AS (
    SELECT answering.*, t * deviation / sqrt(seeds) AS half
    FROM answering LEFT JOIN kept.quantiles
        ON v = least(seeds - 1, (SELECT max(v) FROM kept.quantiles))
),
-- Turned so that the claim's side is above.
turned AS (
    SELECT
        rules.*, coalesce(seeds, 0) AS seeds, value, half, scale,
        coalesce(trials, []) AS trials,
        if(above, value - threshold, threshold - value) AS ahead
    FROM kept.rules AS rules LEFT JOIN estimated USING (part)
),
judged AS (
    SELECT
        *,
        if(half > 0, ahead / half, if(ahead > 0, 'inf', '-inf')::DOUBLE) AS margin,
        CASE
            WHEN seeds < seeds_needed OR half IS NULL THEN 'not enough data'
            WHEN ahead - half > 0 THEN 'supported'
            WHEN ahead + half < 0 THEN 'not supported'
            WHEN half > wide THEN 'not enough data'
            ELSE 'not supported'
        END AS verdict
    FROM turned
)
SELECT
    part, measure,
    if(above, '> ', '< ') || printf('%.3g', if(factor, exp(threshold), threshold)) AS bar,
    if(factor, exp(value), value) AS value,
    if(factor, exp(value - half), value - half) AS low,
    if(factor, exp(value + half), value + half) AS high,
    trials, seeds, seeds_needed, scale, counts, margin, verdict
FROM judged
UNION ALL BY NAME
SELECT
    part, measure, bar, value, low, high, trials, seeds,
    seeds_needed, scale, true AS counts, margin, verdict
FROM kept.found
ORDER BY counts DESC, part;
