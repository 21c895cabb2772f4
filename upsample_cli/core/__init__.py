"""The resampling mathematics. Arrays only: it knows no files, and imports NumPy alone."""
