"""The Python API: functions of arrays, batches of files, and adapters for PyTorch and JAX."""
