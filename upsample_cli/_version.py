"""The version, where imports and the build find it without loading anything else."""

__version__ = "0.1.0"
