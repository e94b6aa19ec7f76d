-- Where the score breaks off, by group: the least-squares fit of score y on measured sparsity x,
--     y = level + before * (x - tau) + change * greatest(x - tau, 0) ** shape,   change < 0,
-- for every tau of a grid and each shape of $shapes in closed form; the 95 % interval of tau; how
-- often a straight line with normal noise looks as broken (`p`); and the largest sparsity whose
-- loss of fitted score is within $delta.
--
-- Reads kept.points (place, everything, id, x, y, adaptive): a group is a place, with and without the
-- cells left out; see `points.sql`. One row a group answers.
--
-- Parameters: $step of the grid of breaks, $coarse step of the grid that the test and the bootstrap
-- use, $near how far around the best break the bootstrap uses all of the grid, $draws simulations,
-- $side distinct sparsities needed on each side of a break, $shapes powers (1 among them), $price
-- that a curved shape must save in n ln(RSS) (Akaike's for one parameter is 2), $delta; groups of
-- more than $above and at most $most cells are answered.
--
-- Everything rests on one vector a break and shape: u = greatest(x - tau, 0) ** shape, out of which
-- every straight line is taken. Fit, test and bootstrap are its products with scores, with noise
-- and with residuals, and lists make all of them single calls.
--
-- Random numbers are md5 of one joined string: DuckDB's hash(a, b, c) is correlated.
WITH
listed AS (
    SELECT
        row_number() OVER (ORDER BY place, everything) AS g, place, everything,
        count(*) AS n, count(DISTINCT x) AS sites, list_sort(list(DISTINCT x)) AS distinct_x,
        list(x ORDER BY id) AS raw_x, list(y ORDER BY id) AS raw_y, bool_or(adaptive) AS adaptive,
        -- Of the sorted lists: sums of floats depend on their order.
        list_avg(raw_x) AS mean_x, list_avg(raw_y) AS mean_y
    FROM kept.points GROUP BY place, everything
    HAVING count(*) > $above AND count(*) <= $most
),
centred AS (
    SELECT
        * EXCLUDE (raw_x, raw_y), max(n) OVER () AS width,
        -- Millions of products: those of small groups are not to be as long as the largest one's.
        least(
            CASE
                WHEN n <= 12 THEN 12 WHEN n <= 25 THEN 25 WHEN n <= 32 THEN 32 WHEN n <= 50 THEN 50
                ELSE width
            END,
            width
        ) AS room,
        list_transform(raw_x, lambda v: v - mean_x) AS x,
        list_transform(raw_y, lambda v: v - mean_y) AS y,
        list_inner_product(x, x) AS xx, list_inner_product(y, y) AS spread,
        list_inner_product(x, y) / nullif(xx, 0) AS slope
    FROM listed
),
-- r is what a straight line leaves.
lines AS (
    SELECT
        *, list_transform(y, lambda v, i: v - coalesce(slope, 0.0) * x[i]) AS r,
        list_inner_product(r, r) AS line_rss
    FROM centred
),
-- Breaks between two sites, and whether enough sites lie on each side to claim it. The interval
-- may reach where no break would be claimed.
breaks AS (
    SELECT
        g, grid * $step AS tau,
        len(list_filter(distinct_x, lambda v: v <= grid * $step)) BETWEEN $side AND sites - $side
            AS eligible,
        -- Where few breaks are possible at all, each is one of the test's.
        eligible AND (
            grid % round($coarse / $step)::BIGINT = 0
            OR distinct_x[sites - $side + 1] - distinct_x[$side] < 10 * $coarse
        ) AS coarse
    FROM lines, range(0, round(1 / $step)::BIGINT + 1) AS grids(grid)
    WHERE sites >= 2 * $side AND n > 4 AND line_rss > 1e-12 * spread
        AND grid * $step >= distinct_x[1] AND grid * $step < distinct_x[sites]
),
-- su, xu: products of the raw vector with 1 and x; uu: its square sum without straight lines.
profile AS (
    SELECT
        breaks.*, shape, n, line_rss, tau - mean_x AS t, xx,
        list_transform(x, lambda v: greatest(v - t, 0) ** shape) AS raw_u,
        list_sum(raw_u) AS su, list_inner_product(raw_u, x) AS xu,
        list_inner_product(raw_u, raw_u) - su ** 2 / n - xu ** 2 / xx AS uu,
        list_inner_product(raw_u, r) AS uy,
        uy / nullif(uu, 0) AS change, greatest(line_rss - uy ** 2 / uu, 1e-12 * spread) AS rss
    FROM breaks JOIN lines USING (g) CROSS JOIN (SELECT unnest($shapes::DOUBLE[]) AS shape)
),
possible AS (
    SELECT * EXCLUDE (raw_u), row_number() OVER (ORDER BY g, shape, tau) AS k FROM profile
),
falling AS (SELECT * FROM possible WHERE uy < 0 AND uu > 1e-12),
-- The best break of each shape. Shapes are judged by all breaks, also those too close to an end to
-- be claimed: else a curve would stand in for the line whose break may not be claimed.
shaped AS (
    FROM (
        SELECT *, n * ln(min(rss) OVER (PARTITION BY g, shape)) + if(shape = 1, 0, $price)
            AS criterion
        FROM falling
    )
    WHERE eligible
    QUALIFY row_number() OVER (PARTITION BY g, shape ORDER BY rss, tau) = 1
),
best AS (
    SELECT *, slope - change * xu / xx AS before
    FROM (
        FROM shaped QUALIFY row_number() OVER (PARTITION BY g ORDER BY criterion, shape) = 1
    ) JOIN (SELECT g, slope FROM lines) USING (g)
),
-- Where each shape would break if breaks close to an end could be claimed.
unbound AS (SELECT g, shape, arg_min(tau, rss) AS free_tau FROM falling GROUP BY g, shape),
-- Unit vectors of the breaks that test and bootstrap try, filled up to the room of their group.
units AS (
    SELECT
        p.k, p.g, p.tau, p.shape, p.coarse, p.t, p.xu, p.xx, p.uu, n,
        list_transform(
            x, lambda v: (greatest(v - p.t, 0) ** p.shape - p.su / n - p.xu / p.xx * v) / sqrt(p.uu)
        ) AS short_u,
        list_resize(short_u, room, 0.0) AS u
    FROM possible AS p JOIN lines USING (g, n) LEFT JOIN best USING (g)
    WHERE p.eligible AND p.uu > 1e-12
        AND (p.coarse OR abs(p.tau - best.tau) <= $near + 1e-9)
),
-- By draw: standard normal numbers (Box & Muller's pairs), their squares, and random signs.
normal AS (
    SELECT draw, list_concat(
        list(radius * cos(angle) ORDER BY pair), list(radius * sin(angle) ORDER BY pair)
    ) AS long_z
    FROM (
        SELECT
            draw, pair, (md5_number(concat_ws('|', 'z', draw, pair)) >> 64)::UBIGINT AS bits,
            sqrt(-2 * ln(((bits >> 32) + 1) / 2 ** 32)) AS radius,
            2 * pi() * (bits & 4294967295) / 2 ** 32 AS angle
        FROM range($draws) AS draws(draw), range((SELECT max(n) // 2 + 1 FROM listed)) AS p(pair)
    )
    GROUP BY draw
),
signs AS (
    SELECT
        draw, flatten(list(
            list_transform(range(64), lambda bit: if((bits >> bit) & 1 = 0, 1, -1)::DOUBLE)
            ORDER BY block
        )) AS sign
    FROM (
        SELECT draw, block, (md5_number(concat_ws('|', 's', draw, block)) >> 64)::UBIGINT AS bits
        FROM range($draws) AS draws(draw), range((SELECT max(n) // 64 + 1 FROM listed)) AS b(block)
    )
    GROUP BY draw
),
noise AS (
    SELECT
        draw, list_resize(long_z, width) AS z, list_transform(z, lambda v: v ** 2) AS zz,
        list_resize(sign, width) AS sign,
        list_resize(z, least(12, width)) AS z12, list_resize(sign, least(12, width)) AS sign12,
        list_resize(z, least(25, width)) AS z25, list_resize(sign, least(25, width)) AS sign25,
        list_resize(z, least(32, width)) AS z32, list_resize(sign, least(32, width)) AS sign32,
        list_resize(z, least(50, width)) AS z50, list_resize(sign, least(50, width)) AS sign50
    FROM normal JOIN signs USING (draw), (SELECT max(n) AS width FROM listed)
),
flat AS (
    SELECT
        g, n, xx, slope, line_rss,
        list_resize(list_transform(x, lambda v: 1::DOUBLE), width, 0.0) AS ones,
        list_resize(x, width, 0.0) AS x, list_resize(r, width, 0.0) AS r,
        list_resize(list_transform(r, lambda v, i: v * x[i]), width, 0.0) AS xr
    FROM lines WHERE line_rss > 1e-12 * spread AND slope IS NOT NULL
),
-- The test: by how much a break improves on the straight line, for normal noise. Adding a straight
-- line to it would change nothing.
tested AS (
    SELECT g, (1 + count(*) FILTER (simulated >= share)) / (1 + count(*)) AS p
    FROM (
        SELECT g, draw, least(product, 0) ** 2 / rest AS simulated
        FROM (
            SELECT g, draw, min(product) AS product
            FROM (
                SELECT g, draw, list_inner_product(u, z12) AS product
                FROM units, noise WHERE coarse AND shape = 1 AND n <= 12
                UNION ALL SELECT g, draw, list_inner_product(u, z25)
                FROM units, noise WHERE coarse AND shape = 1 AND n > 12 AND n <= 25
                UNION ALL SELECT g, draw, list_inner_product(u, z32)
                FROM units, noise WHERE coarse AND shape = 1 AND n > 25 AND n <= 32
                UNION ALL SELECT g, draw, list_inner_product(u, z50)
                FROM units, noise WHERE coarse AND shape = 1 AND n > 32 AND n <= 50
                UNION ALL SELECT g, draw, list_inner_product(u, z)
                FROM units, noise WHERE coarse AND shape = 1 AND n > 50
            )
            GROUP BY g, draw
        ) JOIN (
            SELECT
                g, draw, list_inner_product(ones, zz)
                - list_inner_product(ones, z) ** 2 / n - list_inner_product(x, z) ** 2 / xx AS rest
            FROM flat, noise
        ) USING (g, draw)
    ) JOIN (
        SELECT g, max(1 - rss / line_rss) AS share
        FROM falling WHERE coarse AND shape = 1 GROUP BY g
    ) USING (g)
    GROUP BY g
),
-- Every break that some shape puts within reach of the best fit: an F test with (1, n - 4) degrees
-- would not tell the two apart. The quantile is the 97.5 % point of Student's t (Abramowitz &
-- Stegun 26.7.5), and the 99.5 % point where the break was claimed on weak evidence: of breaks that
-- are detected once in three times, those that are look clearer than they are. Where cells were
-- asked for by a search that looked at the interval (`adaptive`) it is the 98.5 % point: a search
-- ends when its interval is narrow at two looks, and some are narrow by luck. That is about Pocock's
-- level for two looks at 95 % (Biometrika 64, 1977); `tests/benchmarks/search_cliff.py` measures what
-- it covers.
inverted AS (
    SELECT g, min(falling.tau) - $step / 2 AS low, max(falling.tau) + $step / 2 AS high
    FROM falling
    JOIN (SELECT g, min(rss) AS rss FROM falling WHERE eligible GROUP BY g) AS least USING (g)
    JOIN (
        SELECT
            g, n - 4 AS v,
            CASE
                WHEN p > 0.005 THEN 2.5758293035489
                WHEN adaptive THEN 2.1700903775846
                ELSE 1.959963984540054
            END::DOUBLE AS z,
            z + (z ** 3 + z) / (4 * v) + (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * v ** 2)
            + (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / (384 * v ** 3)
            + (79 * z ** 9 + 776 * z ** 7 + 1482 * z ** 5 - 1920 * z ** 3 - 945 * z)
                / (92160 * v ** 4) AS quantile
        FROM lines LEFT JOIN tested USING (g)
    ) AS student USING (g)
    WHERE falling.rss <= least.rss * (1 + quantile ** 2 / (n - 4))
    GROUP BY g
),
-- The wild bootstrap: the residuals of the best fit change their signs at random (Rademacher's
-- weights; the noise may differ from cell to cell), and everything is fitted again, shape included.
residuals AS (
    SELECT
        g, n, line_rss, slope, xx, change, sqrt(uu) AS length, short_u,
        list_transform(
            r, lambda v, i: (v - change * length * short_u[i]) * sqrt(n / (n - 4))
        ) AS e,
        list_inner_product(e, e) AS ee,
        list_resize(e, width, 0.0) AS long_e,
        list_resize(list_transform(e, lambda v, i: v * x[i]), width, 0.0) AS xe,
        list_resize(list_transform(e, lambda v, i: v * short_u[i]), width, 0.0) AS ue
    FROM best JOIN (SELECT k, short_u FROM units) USING (k)
    JOIN (SELECT g, x, r, width FROM lines) USING (g)
),
-- What the straight line leaves of each draw, and its slope.
resampled AS (
    SELECT
        g, draw, n, slope + list_inner_product(xe, sign) / xx AS line_slope,
        (change * length) ** 2 + 2 * change * length * list_inner_product(ue, sign)
        + ee - list_inner_product(long_e, sign) ** 2 / n - list_inner_product(xe, sign) ** 2 / xx
            AS rest
    FROM residuals, noise
),
tried AS (
    SELECT
        units.g, units.n, k, tau, shape,
        change * length * list_inner_product(units.short_u, residuals.short_u) AS mean,
        list_resize(list_transform(units.short_u, lambda v, i: v * e[i]), len(u), 0.0) AS ue
    FROM units JOIN residuals USING (g)
),
refitted AS (
    SELECT g, draw, shape, min(product) AS product, arg_min(k, product) AS k
    FROM (
        SELECT g, draw, shape, k, mean + list_inner_product(ue, sign12) AS product
        FROM tried, noise WHERE n <= 12
        UNION ALL SELECT g, draw, shape, k, mean + list_inner_product(ue, sign25)
        FROM tried, noise WHERE n > 12 AND n <= 25
        UNION ALL SELECT g, draw, shape, k, mean + list_inner_product(ue, sign32)
        FROM tried, noise WHERE n > 25 AND n <= 32
        UNION ALL SELECT g, draw, shape, k, mean + list_inner_product(ue, sign50)
        FROM tried, noise WHERE n > 32 AND n <= 50
        UNION ALL SELECT g, draw, shape, k, mean + list_inner_product(ue, sign)
        FROM tried, noise WHERE n > 50
    )
    GROUP BY g, draw, shape
),
redrawn AS (
    SELECT
        g, draw, tau, shape, product / sqrt(uu) AS change,
        line_slope - product / sqrt(uu) * xu / xx AS before
    FROM (
        SELECT
            g, draw, any_value(line_slope) AS line_slope,
            arg_min(k, criterion) AS k, arg_min(product, criterion) AS product
        FROM (
            SELECT
                *, n * ln(greatest(rest - product ** 2, 1e-12 * rest)) + if(shape = 1, 0, $price)
                    AS criterion
            FROM refitted JOIN resampled USING (g, draw)
            WHERE product < 0
        )
        GROUP BY g, draw
    ) JOIN units USING (g, k)
),
-- At the same levels, with half a step more on both sides: breaks in between were not tried.
bootstrapped AS (
    SELECT
        g, quantile_disc(r.tau, [0.015, 0.025, 0.975, 0.985]) AS ends,
        ends[if(any_value(adaptive), 1, 2)] AS from_tau,
        ends[if(any_value(adaptive), 4, 3)] AS to_tau,
        from_tau - if(abs(from_tau - any_value(best.tau)) <= $near, $step, $coarse) / 2 AS low,
        to_tau + if(abs(to_tau - any_value(best.tau)) <= $near, $step, $coarse) / 2 AS high
    FROM redrawn AS r JOIN best USING (g) JOIN (SELECT g, adaptive FROM lines) USING (g)
    GROUP BY g
),
-- The loss of fitted score since the least sparse cell reaches $delta: draw NULL is the fit itself.
curves AS (
    SELECT g, draw, tau, shape, change, before, true AS broken FROM redrawn
    UNION ALL SELECT g, NULL, tau, shape, change, before, true FROM best
    UNION ALL SELECT g, NULL, 1.0, 1.0, 0.0, slope, false FROM lines WHERE slope IS NOT NULL
    UNION ALL
    SELECT
        g, draw, 1.0, 1.0, 0.0,
        slope + list_inner_product(xr, sign) / xx * sqrt(n / (n - 2)), false
    FROM flat, noise WHERE n > 2
),
-- Before the break a line reaches it; behind it -before * d - change * d ** shape = rest does,
-- which Newton's steps from above solve (the left side is convex there).
reached AS (
    SELECT
        g, draw, broken, distinct_x[1] AS start, distinct_x[-1] AS stop,
        if(broken, least(tau, stop), stop) AS corner,
        $delta + before * (corner - start) AS rest,
        CASE
            WHEN rest <= 0 THEN start - $delta / before
            WHEN NOT broken THEN stop
            WHEN shape = 1 THEN if(before + change < 0, corner - rest / (before + change), stop)
            ELSE corner + list_reduce(
                range(12)::DOUBLE[],
                lambda d, i: d - (-before * d - change * d ** shape - rest)
                    / (-before - change * shape * d ** (shape - 1)),
                (2 * rest / -change) ** (1 / shape)
                    + (2 * greatest(before, 0) / -change) ** (1 / (shape - 1))
            )
        END AS sparsity
    FROM curves JOIN lines USING (g)
),
losses AS (
    SELECT
        g, broken, any_value(least(sparsity, stop)) FILTER (draw IS NULL) AS at,
        quantile_disc(least(sparsity, stop), 0.025) FILTER (draw IS NOT NULL) AS low,
        quantile_disc(least(sparsity, stop), 0.975) FILTER (draw IS NOT NULL) AS high
    FROM reached GROUP BY g, broken
),
shapes AS (
    SELECT
        g, list({
            'shape': shape, 'tau': tau, 'worse': n * ln(rss / least_rss)
        } ORDER BY shape) AS shapes
    FROM (SELECT *, min(rss) OVER (PARTITION BY g) AS least_rss FROM shaped) GROUP BY g
)
SELECT
    place AS "group", everything, adaptive, lines.n AS n, sites,
    distinct_x[1] AS least_sparse, distinct_x[-1] AS most_sparse,
    best.tau AS tau, free_tau, best.shape AS shape, shapes, best.before AS before, best.change AS change,
    lines.mean_y - best.change * best.su / lines.n + best.before * best.t AS level,
    lines.mean_y - lines.slope * lines.mean_x AS line_start, lines.slope AS line_slope,
    lines.line_rss AS line_rss, lines.spread AS spread, best.rss AS rss,
    inverted.low AS inverted_low, inverted.high AS inverted_high,
    bootstrapped.low AS bootstrap_low, bootstrapped.high AS bootstrap_high,
    least(inverted.low, bootstrapped.low) AS low, greatest(inverted.high, bootstrapped.high) AS high,
    (lines.line_rss - best.rss) / 2 / (best.rss / (lines.n - 4)) AS f,
    if(best.g IS NULL, NULL, coalesce(p, 1)) AS p,
    lines.n * ln(lines.line_rss / best.rss) - 2 * ln(lines.n) AS bic,
    broken.at AS loss_at, broken.low AS loss_low, broken.high AS loss_high,
    straight.at AS line_loss_at, straight.low AS line_loss_low, straight.high AS line_loss_high
FROM lines
LEFT JOIN best USING (g)
LEFT JOIN unbound ON unbound.g = lines.g AND unbound.shape = best.shape
LEFT JOIN shapes USING (g)
LEFT JOIN inverted USING (g)
LEFT JOIN bootstrapped USING (g)
LEFT JOIN tested USING (g)
LEFT JOIN losses AS broken ON broken.g = lines.g AND broken.broken
LEFT JOIN losses AS straight ON straight.g = lines.g AND NOT straight.broken
ORDER BY place = 'pooled', place, everything;
