-- The continuous two-segment least-squares fit of score y on measured sparsity x, by group:
--     y = level + before * (x - tau) + change * greatest(x - tau, 0)
-- for every tau of a fine grid in closed form, from sums of moments per distinct x and their
-- suffix sums, and how often a straight line with normal noise looks as broken (`p`).
--
-- Parameters: $step of the grid of breaks, $coarse step of the grid that the test uses for data and
-- simulations alike, $draws simulations, $side distinct sparsities needed on each side of a break.
--
-- Each group is fitted without the cells left out, and where there are any, also with them.
WITH
grouped AS (
    SELECT 'pooled' AS place, * FROM kept.cells
    UNION ALL SELECT architecture, * FROM kept.cells WHERE architecture <> ''
    UNION ALL SELECT architecture || '.' || mechanism, * FROM kept.cells WHERE architecture <> ''
),
spoiled AS (SELECT DISTINCT place FROM grouped WHERE left_out IN ('collapsed', 'fell alone')),
points AS (
    SELECT place, false AS everything, sweep, trial_id, x, y FROM grouped WHERE left_out IS NULL
    UNION ALL
    SELECT place, true, sweep, trial_id, x, y FROM grouped JOIN spoiled USING (place)
    WHERE coalesce(left_out NOT IN ('no score', 'diverged'), true)
),
centre AS (
    SELECT
        place, everything, count(*) AS n, avg(x) AS mean_x, avg(y) AS mean_y,
        count(DISTINCT x) AS sites, list_sort(list(DISTINCT x)) AS distinct_x
    FROM points GROUP BY place, everything
),
-- Draw 0 is the data; the others are standard normal noise on the same sparsities. A straight line
-- added to it would change nothing, because the fit takes every straight line out.
ranked AS (
    SELECT *, row_number() OVER (PARTITION BY place, everything ORDER BY sweep, trial_id) AS rank
    FROM points
),
noise AS (
    SELECT
        draw, rank,
        sqrt(-2 * ln((md5_number_lower(concat_ws('|', 'r', draw, rank)) + 1.0) / 2 ** 64))
        * cos(2 * pi() * md5_number_lower(concat_ws('|', 'a', draw, rank)) / 2 ** 64) AS z
    FROM range(1, $draws + 1) AS draws(draw), range(1, (SELECT max(n) + 1 FROM centre)) AS r(rank)
),
observed AS (
    SELECT place, everything, 0 AS draw, x - mean_x AS x, y - mean_y AS y
    FROM ranked JOIN centre USING (place, everything)
    UNION ALL
    SELECT place, everything, draw, x - mean_x, z
    FROM ranked JOIN centre USING (place, everything) JOIN noise USING (rank)
    WHERE n > 4
),
sites AS (
    SELECT
        place, everything, draw, x,
        count(*) AS w, sum(y) AS y, sum(y ** 2) AS yy
    FROM observed GROUP BY place, everything, draw, x
),
-- Per site the sums over all sites behind it, and per draw those over all sites.
suffixes AS (
    SELECT
        place, everything, draw, x,
        row_number() OVER (PARTITION BY place, everything, draw ORDER BY x) AS site,
        sum(w) OVER behind AS w, sum(w * x) OVER behind AS wx, sum(w * x ** 2) OVER behind AS wxx,
        sum(y) OVER behind AS y, sum(x * y) OVER behind AS xy
    FROM sites
    WINDOW behind AS (
        PARTITION BY place, everything, draw ORDER BY x
        ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING
    )
),
totals AS (
    SELECT
        place, everything, draw, sum(w) AS n, sum(w * x ** 2) AS xx, sum(y) AS y,
        sum(x * y) AS xy, sum(yy) - sum(y) ** 2 / sum(w) AS yy
    FROM sites GROUP BY place, everything, draw
),
-- Breaks between two sites, the last site before each, and whether enough sites lie on each side
-- to claim it. The interval may reach where no break would be claimed.
breaks AS (
    SELECT
        place, everything, grid * $step AS tau, grid * $step - mean_x AS t,
        len(list_filter(distinct_x, lambda value: value <= grid * $step)) AS site,
        site BETWEEN $side AND sites - $side AS eligible,
        -- Where few breaks are possible at all, each is one of the test's.
        eligible AND (
            grid % round($coarse / $step)::BIGINT = 0
            OR distinct_x[sites - $side + 1] - distinct_x[$side] < 10 * $coarse
        ) AS coarse
    FROM centre, range(0, round(1 / $step)::BIGINT + 1) AS grids(grid)
    WHERE sites >= 2 * $side
        AND grid * $step >= distinct_x[1] AND grid * $step < distinct_x[sites]
),
-- u = greatest(x - tau, 0) with every straight line taken out: its square sum, by break alone.
designs AS (
    SELECT
        breaks.*, totals.n, totals.xx,
        s.wx - t * s.w AS u,
        s.wxx - t * s.wx AS xu,
        s.wxx - 2 * t * s.wx + t ** 2 * s.w - (s.wx - t * s.w) ** 2 / totals.n
            - (s.wxx - t * s.wx) ** 2 / totals.xx AS uu
    FROM breaks
    JOIN suffixes AS s USING (place, everything, site)
    JOIN totals USING (place, everything, draw)
    WHERE draw = 0
),
-- Its product with y, by break and draw; gain is what the break takes off the residual square sum.
gains AS (
    SELECT
        d.place, d.everything, draw, tau, t, eligible, coarse, d.n, d.xx, d.u, d.xu, d.uu,
        totals.xy AS line_xy, totals.yy - totals.xy ** 2 / totals.xx AS line_rss,
        s.xy - t * s.y - d.u * totals.y / d.n - d.xu * totals.xy / d.xx AS uy
    FROM designs AS d
    JOIN suffixes AS s USING (place, everything, site)
    JOIN totals USING (place, everything, draw)
    WHERE (coarse OR draw = 0) AND d.uu > 1e-12
),
broken AS (
    SELECT
        place, everything, draw,
        coalesce(max(uy ** 2 / uu) FILTER (uy < 0 AND coarse), 0) / any_value(line_rss) AS share
    FROM gains GROUP BY place, everything, draw
),
tested AS (
    SELECT
        data.place, data.everything,
        (1 + count(*) FILTER (null_draw.share >= data.share)) / (1 + count(null_draw.share)) AS p
    FROM broken AS data
    LEFT JOIN broken AS null_draw ON null_draw.place = data.place
        AND null_draw.everything = data.everything AND null_draw.draw > 0
    WHERE data.draw = 0
    GROUP BY ALL
),
profile AS (
    SELECT
        *, uy / uu AS change, (line_xy - uy / uu * xu) / xx AS before,
        greatest(line_rss - uy ** 2 / uu, 0) AS rss
    FROM gains WHERE draw = 0 AND uy < 0
),
best AS (
    SELECT * FROM profile WHERE eligible
    QUALIFY row_number() OVER (PARTITION BY place, everything ORDER BY rss, tau) = 1
),
-- The 97.5 % point of Student's t with n - 4 degrees of freedom (Abramowitz & Stegun 26.7.5).
quantiles AS (
    SELECT
        place, everything,
        z + (z ** 3 + z) / (4 * v) + (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * v ** 2)
        + (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / (384 * v ** 3)
        + (79 * z ** 9 + 776 * z ** 7 + 1482 * z ** 5 - 1920 * z ** 3 - 945 * z)
            / (92160 * v ** 4) AS quantile
    FROM (SELECT place, everything, n - 4 AS v, 1.959963984540054::DOUBLE AS z FROM best WHERE n > 4)
),
-- Every break whose residual square sum an F test with (1, n - 4) degrees would not tell apart.
intervals AS (
    SELECT
        place, everything, min(profile.tau) - $step / 2 AS low, max(profile.tau) + $step / 2 AS high
    FROM profile JOIN best USING (place, everything) JOIN quantiles USING (place, everything)
    WHERE profile.rss <= best.rss * (1 + quantile ** 2 / (best.n - 4))
    GROUP BY place, everything
)
SELECT
    centre.place AS "group", centre.everything AS everything,
    centre.n AS n, centre.sites AS sites,
    distinct_x[1] AS least_sparse, distinct_x[-1] AS most_sparse,
    best.tau AS tau, low, high,
    best.before AS slope_before, best.before + best.change AS slope_after,
    mean_y - best.change * best.u / best.n + best.before * best.t AS level,
    mean_y - line.xy / line.xx * mean_x AS line_start, line.xy / line.xx AS line_slope,
    line.yy - line.xy ** 2 / line.xx AS line_rss, best.rss AS rss, line.yy AS spread,
    (best.line_rss - best.rss) / 2 / (best.rss / (best.n - 4)) AS f, p,
    best.n * ln(best.line_rss / best.rss) - 2 * ln(best.n) AS bic
FROM centre
LEFT JOIN totals AS line ON line.place = centre.place AND line.everything = centre.everything
    AND line.draw = 0
LEFT JOIN best ON best.place = centre.place AND best.everything = centre.everything
LEFT JOIN intervals ON intervals.place = centre.place AND intervals.everything = centre.everything
LEFT JOIN tested ON tested.place = centre.place AND tested.everything = centre.everything
ORDER BY centre.place = 'pooled', centre.place, centre.everything;
