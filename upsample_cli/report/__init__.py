"""The page on which a batch can be looked at."""
