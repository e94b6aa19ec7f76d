"""What sweeps left behind: segments on disk, SQL over them, the cliff, pictures.

Knows neither training nor scheduling. Importing it loads nothing: import the module you need, such
as `results.query` (DuckDB), `results.writer` and `results.ledger` (Parquet), `results.report`
(matplotlib).
"""
