"""PNG and animated PNG, chunk by chunk."""
