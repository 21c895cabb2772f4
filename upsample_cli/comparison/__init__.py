"""One detail in several modes, side by side."""
