"""The calls whose answers by PyTorch are stored: a table of frozen records, shared by the script and the tests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

STORE = Path(__file__).with_name("torch_2_13.npz")

_LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}


@dataclass(frozen=True, slots=True)
class Case:
    """One call of `interpolate`.

    Attributes:
        mode: as in PyTorch.
        spatial: the input's spatial sizes; batch and channels belong to `input`.
        dtype: of the input.
        size, scale_factor, align_corners, recompute_scale_factor, antialias: as in PyTorch.
        special: whether some samples are NaN or infinite.
    """

    mode: str
    spatial: tuple[int, ...]
    dtype: str
    size: tuple[int, ...] | None = None
    scale_factor: tuple[float, ...] | None = None
    align_corners: bool | None = None
    recompute_scale_factor: bool | None = None
    antialias: bool = False
    special: bool = False

    @property
    def id(self) -> str:
        target = f"to {_times(self.size)}" if self.size else f"by {_times(self.scale_factor or ())}"
        flags = [
            f"{name}={value}"
            for name, value in (("corners", self.align_corners), ("recompute", self.recompute_scale_factor))
            if value is not None
        ]
        flags += [name for name in ("antialias", "special") if getattr(self, name)]
        return " ".join([self.mode, _times(self.spatial), target, *flags, self.dtype]).replace(" ", "_")

    @property
    def options(self) -> dict[str, Any]:
        """The keyword arguments of the call."""
        return {
            "size": self.size,
            "scale_factor": self.scale_factor,
            "mode": self.mode,
            "align_corners": self.align_corners,
            "recompute_scale_factor": self.recompute_scale_factor,
            "antialias": self.antialias,
        }

    def input(self) -> np.ndarray:
        if self.mode.startswith("nearest"):
            return index_channels(self.spatial, self.dtype)
        if self.dtype == "uint8":
            return bytes_of_noise((1, _UINT8_CHANNELS, *self.spatial))
        x = noise((1, 1 if max(self.spatial) > 1000 else 2, *self.spatial), self.dtype)
        if self.special:
            flat = x.reshape(2, -1)
            flat[0, [flat.shape[1] // 2, -1]] = np.nan, np.inf
            flat[1, [0, flat.shape[1] // 3]] = -np.inf, np.inf
        return x


def noise(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Numbers in [-1, 1) that no change of a library can alter: the SplitMix64 sequence (Steele et al., 2014)."""
    z = np.arange(1, int(np.prod(shape)) + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return ((z >> np.uint64(11)).astype(np.float64) * 2.0**-52 - 1).astype(dtype).reshape(shape)


def bytes_of_noise(shape: tuple[int, ...]) -> np.ndarray:
    """All levels of uint8, as often in one place as in another."""
    return np.floor(128 * noise(shape, "float64") + 128).astype(np.uint8)


def cotangent(shape: tuple[int, ...], dtype: str = "float64") -> np.ndarray:
    """The gradient with respect to an output of this shape that is taken back in the gradient cases."""
    return noise((int(np.prod(shape)) + 1,), "float64")[:0:-1].astype(dtype).reshape(shape)


def index_channels(spatial: tuple[int, ...], dtype: str) -> np.ndarray:
    """As many channels as axes, each holding the samples' index along its axis (for uint8 modulo 256)."""
    return np.indices(spatial).astype(dtype)[None]


def _times(numbers: tuple[float, ...]) -> str:
    return "x".join(f"{number:g}" for number in numbers)


_LINEAR_SIZES = (
    ((1,), (1,)),
    ((1,), (7,)),
    ((7,), (1,)),
    ((5,), (5,)),
    ((4,), (8,)),
    ((7,), (13,)),
    ((13,), (7,)),
    ((2,), (218,)),
    ((1009,), (1523,)),
    ((1009,), (211,)),
    ((1, 5), (4, 1)),
    ((5, 1), (1, 7)),
    ((4, 6), (4, 6)),
    ((4, 6), (8, 12)),
    ((3, 4), (3, 9)),
    ((7, 11), (13, 5)),
    ((3, 101), (5, 149)),
    ((1, 3, 4), (5, 1, 4)),
    ((2, 1, 3), (3, 5, 1)),
    ((3, 4, 5), (3, 4, 5)),
    ((3, 4, 5), (6, 8, 10)),
    ((5, 3, 7), (7, 11, 2)),
)
_LINEAR_FACTORS = (
    ((1,), (2.0,)),
    ((3,), (1.3,)),
    ((4,), (2.0,)),
    ((5,), (1.0,)),
    ((5,), (1.5,)),
    ((6,), (0.5,)),
    ((7,), (3.0,)),
    ((10,), (1.7,)),
    ((11,), (0.6,)),
    ((1009,), (1.1,)),
    ((4, 6), (2.0, 2.0)),
    ((3, 10), (1.3, 1.3)),
    ((3, 5), (2.0, 1.3)),
    ((6, 7), (1.7, 0.6)),
    ((3, 3, 3), (1.3, 1.3, 1.3)),
    ((3, 4, 5), (2.0, 2.0, 2.0)),
    ((4, 5, 6), (1.7, 0.6, 1.3)),
)
_NEAREST_SIZES = (  # the first four are pairs at which float32 arithmetic and exact arithmetic pick different samples
    ((2,), (218,)),
    ((4,), (82,)),
    ((16,), (328,)),
    ((252,), (15,)),
    ((1,), (5,)),
    ((5,), (1,)),
    ((7,), (7,)),
    ((3,), (10,)),
    ((10,), (3,)),
    ((101,), (233,)),
    ((13, 17), (60, 68)),  # PyTorch's kernel for small pictures: height + width = 128
    ((13, 17), (60, 69)),
    ((4, 3), (82, 46)),
    ((4, 3), (82, 47)),
    ((2, 3), (218, 4)),
    ((252, 7), (15, 9)),
    ((7, 3), (126, 2)),
    ((7, 3), (127, 2)),
    ((2, 4, 3), (10, 82, 5)),
    ((2, 2, 16), (3, 3, 328)),
    ((252, 2, 3), (15, 3, 2)),
)
_NEAREST_FACTORS = (
    ((3,), (1.3,)),
    ((6,), (1.1,)),
    ((3,), (2.1,)),
    ((4,), (2.0,)),
    ((5,), (1.0,)),
    ((10,), (1.7,)),
    ((11,), (0.6,)),
    ((199,), (1.1,)),
    ((3, 3), (1.3, 1.3)),
    ((6, 6), (1.1, 1.1)),
    ((3, 3), (2.1, 2.1)),
    ((3, 98), (1.3, 1.3)),
    ((3, 100), (1.3, 1.3)),
    ((30, 31), (2.1, 2.1)),
    ((31, 31), (2.1, 2.1)),
    ((32, 32), (2.0, 2.0)),
    ((33, 32), (2.0, 2.0)),
    ((3, 3, 3), (1.3, 1.3, 1.3)),
    ((6, 3, 4), (1.1, 2.1, 2.0)),
    ((10, 11, 3), (1.7, 0.6, 1.3)),
)
_SPECIAL_SIZES = (((5,), (11,)), ((6,), (12,)), ((9,), (4,)), ((4, 5), (8, 10)), ((3, 4, 5), (7, 8, 9)))


def _linear_cases() -> Iterator[Case]:
    for dtype in ("float64", "float32"):
        for align_corners in (None, False, True):
            for spatial, size in _LINEAR_SIZES:
                yield Case(_LINEAR[len(spatial)], spatial, dtype, size=size, align_corners=align_corners)
            for spatial, factors in _LINEAR_FACTORS:
                for recompute in (None, False, True):
                    yield Case(
                        _LINEAR[len(spatial)],
                        spatial,
                        dtype,
                        scale_factor=factors,
                        align_corners=align_corners,
                        recompute_scale_factor=recompute,
                    )
    for spatial, size in _SPECIAL_SIZES:
        yield Case(_LINEAR[len(spatial)], spatial, "float64", size=size, special=True)


def _nearest_cases() -> Iterator[Case]:
    for mode in ("nearest", "nearest-exact"):
        for dtype in ("float32", "float64", "uint8"):
            for spatial, size in _NEAREST_SIZES:
                yield Case(mode, spatial, dtype, size=size)
            for spatial, factors in _NEAREST_FACTORS:
                for recompute in (None, True):
                    yield Case(mode, spatial, dtype, scale_factor=factors, recompute_scale_factor=recompute)


# Every other kernel: a mode, the numbers of axes for which PyTorch has it, and its flags.
_WITHOUT_CORNERS = ("area", "lanczos", "nearest", "nearest-exact")  # PyTorch aligns none for these
_KERNELS = (
    ("bicubic", (2,), {}),
    ("area", (1, 2, 3), {}),
    ("bilinear", (2,), {"antialias": True}),
    ("bicubic", (2,), {"antialias": True}),
    ("lanczos", (2,), {"antialias": True}),
)
_KERNEL_SIZES = (
    ((1, 5), (4, 1)),
    ((5, 1), (1, 7)),
    ((4, 6), (4, 6)),
    ((4, 6), (8, 12)),
    ((3, 4), (3, 9)),
    ((7, 11), (13, 5)),
    ((17, 13), (5, 3)),
    ((1, 1009), (1, 1523)),
    ((1009, 1), (211, 2)),
    ((2, 31), (3, 1)),
    ((1,), (7,)),
    ((7,), (1,)),
    ((5,), (5,)),
    ((7,), (13,)),
    ((13,), (7,)),
    ((1009,), (1523,)),
    ((1009,), (211,)),
    ((1, 3, 4), (5, 1, 4)),
    ((3, 4, 5), (6, 8, 10)),
    ((5, 3, 7), (7, 11, 2)),
)
_KERNEL_FACTORS = (
    ((4, 6), (2.0, 2.0)),
    ((3, 10), (1.3, 1.3)),
    ((3, 3), (1.3, 1.3)),
    ((6, 7), (1.7, 0.6)),
    ((11, 8), (0.6, 0.3)),
    ((3,), (1.3,)),
    ((11,), (0.6,)),
    ((10,), (1.7,)),
    ((4, 5, 6), (1.7, 0.6, 1.3)),
)
# Beyond PyTorch, whose two-dimensional kernel is applied to one axis after the other there.
_BEYOND = (
    ("cubic", (1, 3), {}),
    ("linear", (1,), {"antialias": True}),
    ("trilinear", (3,), {"antialias": True}),
    ("cubic", (1, 2, 3), {"antialias": True}),
    ("lanczos", (1, 3), {"antialias": True}),
)
_BEYOND_TARGETS = (
    ((1,), {"size": (7,)}),
    ((7,), {"size": (1,)}),
    ((5,), {"size": (5,)}),
    ((13,), {"size": (7,)}),
    ((7,), {"size": (13,)}),
    ((10,), {"scale_factor": (1.7,)}),
    ((3,), {"scale_factor": (1.3,)}),
    ((11,), {"scale_factor": (0.6,)}),
    ((211,), {"size": (53,)}),
    ((7, 11), {"size": (13, 5)}),
    ((3, 4, 5), {"size": (6, 8, 10)}),
    ((5, 3, 7), {"size": (7, 11, 2)}),
    ((5, 4, 6), {"scale_factor": (0.6, 1.7, 1.3)}),
)
_UINT8_CHANNELS = 3
UINT8_SIZES = (
    ((17, 19), (34, 38)),
    ((17, 19), (29, 31)),
    ((17, 19), (7, 11)),
    ((31, 37), (13, 17)),
    ((17, 19), (5, 50)),
    ((32, 32), (16, 16)),
    ((32, 32), (33, 31)),
)


def takes_corners(mode: str) -> bool:
    """Whether `align_corners` may be given in PyTorch."""
    return mode not in _WITHOUT_CORNERS


def _corners(mode: str, *choices: bool | None) -> tuple[bool | None, ...]:
    return choices if takes_corners(mode) else (None,)


def _targets(ndims: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], dict[str, Any]]]:
    for spatial, size in _KERNEL_SIZES:
        if len(spatial) in ndims:
            yield spatial, {"size": size}
    for spatial, factors in _KERNEL_FACTORS:
        for recompute in (None, False, True):
            if len(spatial) in ndims:
                yield spatial, {"scale_factor": factors, "recompute_scale_factor": recompute}


def _kernel_cases() -> Iterator[Case]:
    for mode, ndims, flags in _KERNELS:
        for align_corners in _corners(mode, None, False, True):
            for dtype in ("float64", "float32"):
                for spatial, target in _targets(ndims):
                    yield Case(mode, spatial, dtype, align_corners=align_corners, **target, **flags)
        for spatial, size in _SPECIAL_SIZES:
            if len(spatial) in ndims:
                yield Case(mode, spatial, "float64", size=size, special=True, **flags)


def _beyond_cases() -> Iterator[Case]:
    for mode, ndims, flags in _BEYOND:
        for align_corners in _corners(mode, None, True):
            for dtype in ("float64", "float32"):
                for spatial, target in _BEYOND_TARGETS:
                    if len(spatial) in ndims:
                        yield Case(mode, spatial, dtype, align_corners=align_corners, **target, **flags)


_GRADIENT_TARGETS = (
    ((7,), {"size": (13,)}),
    ((13,), {"size": (7,)}),
    ((3,), {"scale_factor": (1.3,)}),
    ((6,), {"scale_factor": (2.0,)}),
    ((10,), {"scale_factor": (1.7,)}),
    ((1,), {"size": (5,)}),
    ((7, 11), {"size": (13, 5)}),
    ((3, 10), {"scale_factor": (1.3, 1.3)}),
    ((4, 6), {"scale_factor": (2.0, 0.5)}),
    ((5, 3, 7), {"size": (7, 11, 2)}),
    ((4, 5, 6), {"scale_factor": (1.7, 0.6, 1.3)}),
)


def _torch_takes_back_what_it_did(mode: str, antialias: bool, spatial: tuple[int, ...], target: dict[str, Any]) -> bool:
    """Whether PyTorch's backward is the adjoint of its forward.

    It is not where a factor leaves the size as it was: the backward of the antialiased kernels resamples there and
    their forward does not; in one and three dimensions that of nearest, and in two that of bicubic if no size
    changes, does not and their forward does.
    """
    factors = target.get("scale_factor", ())
    same = [factor != 1 and int(n * factor) == n for n, factor in zip(spatial, factors, strict=False)]
    if antialias or mode == "nearest":
        return not any(same)
    return not (mode in ("cubic", "bicubic") and same and all(same))


def _gradient_cases() -> Iterator[Case]:
    linear = [(mode, (ndim,), {}) for ndim, mode in _LINEAR.items()]
    nearest = [(mode, (1, 2, 3), {}) for mode in ("nearest", "nearest-exact")]
    for mode, ndims, flags in (*linear, *nearest, *_KERNELS, *_BEYOND):
        for align_corners in _corners(mode, None, True):
            for spatial, target in _GRADIENT_TARGETS:
                if len(spatial) not in ndims:
                    continue
                if _torch_takes_back_what_it_did(mode, flags.get("antialias", False), spatial, target):
                    yield Case(mode, spatial, "float64", align_corners=align_corners, **target, **flags)


def _uint8_cases() -> Iterator[Case]:
    for mode in ("bilinear", "bicubic"):
        for antialias in (False, True):
            for align_corners in (None,) if antialias else (None, True):
                for spatial, size in UINT8_SIZES:
                    yield Case(mode, spatial, "uint8", size=size, antialias=antialias, align_corners=align_corners)


LINEAR_CASES = tuple(case for case in _linear_cases() if not case.special)
NEAREST_CASES = tuple(_nearest_cases())
KERNEL_CASES = tuple(case for case in _kernel_cases() if not case.special)
BEYOND_CASES = tuple(_beyond_cases())
SPECIAL_CASES = tuple(case for case in (*_linear_cases(), *_kernel_cases()) if case.special)
GRADIENT_CASES = tuple(_gradient_cases())
UINT8_CASES = tuple(_uint8_cases())


_KINDS = (("f", np.float64), ("i", np.int16), ("u", np.uint8))


def save(path: Path, answers: dict[str, np.ndarray], **notes: str) -> None:
    """Write the answers as one array per kind of number, with equal answers stored once."""
    records: dict[str, Any] = {name: np.array(text) for name, text in notes.items()}
    for kind, dtype in _KINDS:
        chosen = {name: np.ascontiguousarray(a) for name, a in answers.items() if a.dtype == dtype}
        offsets: dict[bytes, int] = {}
        pieces: list[np.ndarray] = []
        starts, end = [], 0
        for answer in chosen.values():
            key = answer.tobytes()
            if key not in offsets:
                offsets[key] = end
                pieces.append(answer.ravel())
                end += answer.size
            starts.append(offsets[key])
        records[f"{kind}_ids"] = np.array(list(chosen))
        shapes = [(*a.shape, *(0,) * (5 - a.ndim)) for a in chosen.values()]
        records[f"{kind}_shapes"] = np.array(shapes, np.int32).reshape(-1, 5)
        records[f"{kind}_starts"] = np.array(starts, np.int64)
        records[f"{kind}_values"] = np.concatenate([np.empty(0, dtype), *pieces])
    np.savez_compressed(path, **records)


def load(path: Path = STORE) -> dict[str, np.ndarray]:
    """The answers by the ids of their cases."""
    answers = {}
    with np.load(path) as records:
        for kind, _ in _KINDS:
            values = records[f"{kind}_values"]
            columns = (records[f"{kind}_{name}"].tolist() for name in ("ids", "shapes", "starts"))
            for name, shape, start in zip(*columns, strict=True):
                shape = [n for n in shape if n]
                answers[name] = values[start : start + int(np.prod(shape))].reshape(shape)
    return answers
