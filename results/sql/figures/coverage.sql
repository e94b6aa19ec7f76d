-- Cells per grid: how many the sweep asks for and how far each is.
SELECT grid, expected, completed, stopped, failed, running, missing
FROM coverage
ORDER BY grid
