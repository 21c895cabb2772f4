"""What is asked of every kind of file here, and what sizes and distances must come of it, spelt out once more."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from tests.oracles import reference

Options = dict[str, object]

TARGETS: dict[str, Options] = {
    "2": {"scale": "2"},
    "1.7": {"scale": "1.7"},
    "0.6-antialias": {"scale": "0.6", "antialias": True},
    "2-corners": {"scale": "2", "align_corners": True},
    "per-axis": {"scale": "x=3,y=0.5", "antialias": True},
    "2-nearest": {"scale": "2", "mode": "nearest"},
}


def factors(options: Options, names: str) -> dict[str, float]:
    """The factor of every axis in `names`."""
    text = str(options["scale"])
    if "=" not in text:
        return dict.fromkeys(names, float(text))
    named = dict(item.split("=") for item in text.split(","))
    return {name: float(named.get(name, 1)) for name in names}


def new_sizes(options: Options, sizes: Mapping[str, int]) -> dict[str, int]:
    """How many samples every axis has afterwards."""
    return {name: math.floor(sizes[name] * factor) for name, factor in factors(options, "".join(sizes)).items()}


def pitches(options: Options, sizes: Mapping[str, int]) -> dict[str, float]:
    """The distance between two new samples, in old ones."""
    after, asked = new_sizes(options, sizes), factors(options, "".join(sizes))
    if options.get("align_corners"):
        return {name: (size - 1) / (after[name] - 1) for name, size in sizes.items()}
    return {name: 1 / asked[name] for name in sizes}


def shifts(options: Options, sizes: Mapping[str, int]) -> dict[str, float]:
    """Where the first new sample lies, counted in old ones."""
    if options.get("align_corners"):
        return dict.fromkeys(sizes, 0.0)
    return {name: (pitch - 1) / 2 for name, pitch in pitches(options, sizes).items()}


def resampled(array: np.ndarray, options: Options, axes: Mapping[str, int]) -> np.ndarray:
    """The samples by the definition, in float64, where `axes` has the number of every axis that is resized."""
    sizes = {name: array.shape[axis] for name, axis in axes.items()}
    after, asked = new_sizes(options, sizes), factors(options, "".join(sizes))
    result = array.astype(np.float64)
    for name, axis in axes.items():
        sources = reference.positions(sizes[name], after[name], asked[name], bool(options.get("align_corners")))
        if options.get("mode") == "nearest":
            result = result.take((np.arange(after[name]) / asked[name]).astype(int), axis)
            continue
        stretch = max(1.0, 1 / asked[name]) if options.get("antialias") else 1.0
        weights = reference.matrix(reference.tent, sources, sizes[name], stretch)
        result = np.moveaxis(np.tensordot(weights, result, (1, axis)), 0, axis)
    return result
