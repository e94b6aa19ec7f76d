-- What `cliff.sql` fits, one row a cell and group: each architecture, each mechanism within it, all
-- cells together; each without the cells left out and, where some of those have a score, also with
-- them (`everything`).
CREATE OR REPLACE TABLE kept.points AS
WITH
grouped AS (
    SELECT 'pooled' AS place, * FROM kept.cells
    UNION ALL SELECT architecture, * FROM kept.cells WHERE architecture <> ''
    UNION ALL SELECT architecture || '.' || mechanism, * FROM kept.cells WHERE architecture <> ''
),
spoiled AS (SELECT DISTINCT place FROM grouped WHERE left_out IS NOT NULL AND measured)
SELECT place, false AS everything, concat_ws('/', sweep, trial_id) AS id, x, y, adaptive
FROM grouped WHERE left_out IS NULL
UNION ALL
SELECT place, true, concat_ws('/', sweep, trial_id), x, y, adaptive
FROM grouped JOIN spoiled USING (place) WHERE measured;
