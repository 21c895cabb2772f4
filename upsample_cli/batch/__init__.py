"""From inputs to jobs, and from jobs to results."""
