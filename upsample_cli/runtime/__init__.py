"""The process and the machine: memory, cores, threads, signals and atomic files."""
