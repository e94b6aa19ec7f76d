"""Trains PyTorch workloads and yields their progress; knows neither storage nor scheduling."""
