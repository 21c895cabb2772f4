"""PNG and animated PNG (APNG)."""
