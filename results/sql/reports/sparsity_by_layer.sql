-- How sparse each layer is at the end, by architecture and mechanism. The quartiles over the cells
-- show whether a layer follows what was asked for; `rank` 1 is the layer with the highest median.
WITH cells AS (
    SELECT
        sweep, trial_id, regexp_extract(grid, '[^.]*$') AS mechanism,
        coalesce(config::JSON->>'$.model.kind', '') AS architecture
    FROM trials WHERE wanted
)
SELECT
    cells.sweep, cells.architecture, cells.mechanism, layers.layer,
    count(*) AS cells,
    round(min(layers.last), 3) AS least,
    round(quantile_cont(layers.last, 0.25), 3) AS lower_quarter,
    round(median(layers.last), 3) AS median,
    round(quantile_cont(layers.last, 0.75), 3) AS upper_quarter,
    round(max(layers.last), 3) AS most,
    rank() OVER (
        PARTITION BY cells.sweep, cells.architecture, cells.mechanism
        ORDER BY median(layers.last) DESC
    ) AS rank
FROM layers JOIN cells ON cells.sweep = layers.sweep AND cells.trial_id = layers.trial_id
WHERE layers.name = 'sparsity' AND isfinite(layers.last)
GROUP BY cells.sweep, cells.architecture, cells.mechanism, layers.layer
ORDER BY cells.sweep, cells.architecture, cells.mechanism, layers.layer;
