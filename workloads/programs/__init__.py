"""The programs: code that trains a workload. Each file is a kind; none knows who runs it."""
