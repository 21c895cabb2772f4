"""Results for programs: a JSON object on a line of its own for each file, as `results.schema.json` describes it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from ..batch.result import Result, Summary

VERSION = 1  # of the schema; new fields leave it as it is, since readers pass over what they do not know


def json_line(result: Result) -> str:
    """The result as JSON in ASCII, without a line break.

    Names of files that are no Unicode have each odd byte as a lone surrogate, as Python's `os.fsdecode` does.
    """
    return json.dumps(_record(result), allow_nan=False)


def _record(result: Result) -> Mapping[str, Any]:
    error = result.error
    return {
        "version": VERSION,
        "input": str(result.input),
        "output": None if result.output is None else str(result.output),
        "status": result.status,
        "error": None if error is None else {"message": str(error), "exit_code": error.exit_code},
        "reason": result.reason,
        "before": None if result.before is None else _summary(result.before),
        "after": None if result.after is None else _summary(result.after),
        "mode": result.mode or None,
        "working": result.compute_dtype or None,
        "warnings": list(result.warnings),
        "seconds": round(result.seconds, 6),
        "bytes": result.bytes,
        "memory": result.memory,
    }


def _summary(summary: Summary) -> Mapping[str, Any]:
    axes = summary.grid.axes
    return {
        "axes": [axis.name for axis in axes],
        "shape": [axis.size for axis in axes],
        "spacing": [_finite(axis.spacing) for axis in axes],
        "unit": [axis.unit for axis in axes],
        "dtype": summary.dtype,
        "arrays": summary.arrays,
    }


def _finite(number: float | None) -> float | None:
    """The number if JSON can say it."""
    return float(number) if number is not None and math.isfinite(number) else None
