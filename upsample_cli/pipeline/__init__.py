"""The plan for one file, made from headers alone, and the loop that carries it out."""
