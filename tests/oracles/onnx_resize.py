"""ONNX's own test cases of its Resize operator, and which of them mean what a call of PyTorch's `interpolate` means."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.oracles import cases as store

STORE = Path(__file__).with_name("onnx_resize.npz")

# Attributes with which a value is PyTorch's under no name.
_OTHER_COORDINATES = {
    "asymmetric": "PyTorch takes asymmetric positions for nearest with the floor alone",
    "half_pixel_symmetric": "PyTorch has no symmetric half pixels",
    "tf_crop_and_resize": "PyTorch crops nothing",
    "pytorch_half_pixel": "puts a single output sample on the first input sample, which PyTorch does not",
}


@dataclass(frozen=True, slots=True)
class NodeCase:
    """One case of the operator.

    Attributes:
        name: ONNX's.
        attributes: of the node; those left out have their default.
        scales, sizes: of the node, one of them; for the axes in the attribute `axes`.
        x, expected: input and output.
    """

    name: str
    attributes: dict[str, Any]
    scales: tuple[float, ...] | None
    sizes: tuple[int, ...] | None
    x: np.ndarray
    expected: np.ndarray

    def _get(self, name: str) -> Any:
        defaults = {
            "mode": "nearest",
            "coordinate_transformation_mode": "half_pixel",
            "nearest_mode": "round_prefer_floor",
            "cubic_coeff_a": -0.75,
            "exclude_outside": 0,
            "antialias": 0,
            "keep_aspect_ratio_policy": "stretch",
        }
        return self.attributes.get(name, defaults.get(name))

    def _spatial(self, values: tuple[float, ...], default: list[float]) -> list[float]:
        axes = self._get("axes") or range(self.x.ndim)
        every = [*default]
        for axis, value in zip(axes, values, strict=True):
            every[axis] = value
        return every[2:]

    @property
    def reason(self) -> str | None:
        """Why the case means nothing to PyTorch, None if it does."""
        coordinates = self._get("coordinate_transformation_mode")
        if self._get("keep_aspect_ratio_policy") != "stretch":
            return "the sizes are not those of the output, but a box for it"
        if coordinates in _OTHER_COORDINATES and not self._is_nearest():
            return _OTHER_COORDINATES[coordinates]
        whole = all(n * factor % 1 == 0 for n, factor in zip(self.x.shape[2:], self._factors(), strict=False))
        if coordinates == "align_corners" and not whole:
            return "the last corner is that of the size before it is rounded down, in PyTorch that of the output"
        if self._get("mode") == "nearest":
            return self._reason_of_nearest()
        if self._get("antialias") and not self._get("exclude_outside"):
            return "the stretched kernel repeats the sample at the border, which PyTorch's does not read again"
        shrinks = any(m < n for n, m in zip(self.x.shape, self.expected.shape, strict=True))
        if self._is_pillows_cubic() and shrinks and not self._get("antialias"):
            return "PyTorch knows A = -0.5 only with a kernel that is stretched where an axis shrinks"
        return None

    def _reason_of_nearest(self) -> str | None:
        if self._is_nearest():
            return None
        if self._get("coordinate_transformation_mode") == "align_corners":
            return "PyTorch aligns no corners in nearest modes"
        if self._get("nearest_mode") in ("floor", "ceil"):
            return "PyTorch's nearest-exact rounds half-pixel positions to the nearest sample"
        if self._get("nearest_mode") == "round_prefer_floor" and self._has_ties():
            return "positions between two samples go to the lower one, in PyTorch to the upper one"
        return None

    def _is_nearest(self) -> bool:
        attributes = ("mode", "coordinate_transformation_mode", "nearest_mode")
        return [self._get(name) for name in attributes] == ["nearest", "asymmetric", "floor"]

    def _factors(self) -> list[float]:
        return self._spatial(self.scales, [1.0] * self.x.ndim) if self.scales else []

    def _is_pillows_cubic(self) -> bool:
        return self._get("cubic_coeff_a") == -0.5 and bool(self._get("exclude_outside"))

    def _has_ties(self) -> bool:
        sizes = zip(self.x.shape[2:], self.expected.shape[2:], strict=True)
        factors = self._factors() or [m / n for n, m in sizes]
        positions = [(np.arange(m) + 0.5) / f - 0.5 for m, f in zip(self.expected.shape[2:], factors, strict=True)]
        return any((position % 1 == 0.5).any() for position in positions)

    def options(self) -> dict[str, Any]:
        """The call of `interpolate` that means the same."""
        names = {"nearest": "nearest-exact", "linear": "bilinear", "cubic": "bicubic"}
        mode = "nearest" if self._is_nearest() else names[self._get("mode")]
        options: dict[str, Any] = {"mode": mode}
        if self._get("coordinate_transformation_mode") == "align_corners":
            options["align_corners"] = True
        if self._get("antialias") or self._is_pillows_cubic():
            options["antialias"] = True
        if self.scales:
            options["scale_factor"] = self._factors()
        else:
            options["size"] = [int(n) for n in self._spatial(self.sizes or (), [*self.x.shape])]
        return options


def save(cases: list[NodeCase], onnx_version: str) -> None:
    """Write the cases, whose samples are all of float32."""
    notes = [
        {"name": case.name, "attributes": case.attributes, "scales": case.scales, "sizes": case.sizes} for case in cases
    ]
    arrays = {f"{case.name}, input": case.x.astype(np.float64) for case in cases}
    arrays |= {f"{case.name}, output": case.expected.astype(np.float64) for case in cases}
    store.save(STORE, arrays, onnx=onnx_version, cases=json.dumps(notes))


def load() -> list[NodeCase]:
    """The cases as they were stored."""
    arrays = {name: array.astype(np.float32) for name, array in store.load(STORE).items()}
    with np.load(STORE) as records:
        notes = json.loads(str(records["cases"]))
    return [
        NodeCase(
            note["name"],
            note["attributes"],
            note["scales"] and tuple(note["scales"]),
            note["sizes"] and tuple(note["sizes"]),
            arrays[f"{note['name']}, input"],
            arrays[f"{note['name']}, output"],
        )
        for note in notes
    ]
