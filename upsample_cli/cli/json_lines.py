"""Format results as JSON lines, one object per file, which `results.schema.json` describes."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from ..batch.result import Result, Summary
from ..formats.dropped import losses_of

VERSION = 1  # of the schema; new fields do not change it, because readers must ignore unknown fields


def json_line(result: Result) -> str:
    """The result as one line of ASCII JSON, without the line break.

    File names that are not valid Unicode have a lone surrogate for each undecodable byte, as from `os.fsdecode`.
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
        "dropped": losses_of(result.warnings),
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
    """The number, or None if JSON cannot represent it."""
    return float(number) if number is not None and math.isfinite(number) else None
