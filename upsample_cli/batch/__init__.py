"""Batches of files: find inputs, make jobs, run them, and collect results."""
