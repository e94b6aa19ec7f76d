-- Last value, minimum, maximum and count per trial, layer and name, over the rows that count.
-- Filled from the finals of trials that ended, and from `kept.unfinished` for all others.
INSERT INTO kept.finals
SELECT
    sweep, trial_id, layer, name,
    max(step), arg_max(value, step),
    coalesce(min(value) FILTER (NOT isnan(value)), 'NaN'),
    coalesce(max(value) FILTER (NOT isnan(value)), 'NaN'),
    count(*)
FROM kept.unfinished
GROUP BY sweep, trial_id, layer, name;

CREATE VIEW finals AS
SELECT * FROM kept.finals;

CREATE VIEW layers AS
SELECT * FROM kept.finals WHERE layer IS NOT NULL;
