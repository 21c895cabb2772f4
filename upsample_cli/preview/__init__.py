"""Small 8-bit images of any array, for the report and for comparison sheets."""
