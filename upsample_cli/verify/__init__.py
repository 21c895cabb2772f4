"""An independent check of a finished output: other readers, and the modes' formulas evaluated directly."""
