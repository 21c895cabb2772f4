"""NIfTI files, by nibabel."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from tests.formats.examples.record import Example, samples

SHAPE = (9, 8, 7, 3, 2)
SPACING = {"x": 1.5, "y": 2.0, "z": 3.0, "t": 2.5, "u": 1.0}
UNIT = {"x": "mm", "y": "mm", "z": "mm", "t": "s"}
ANGLE = 0.3
ROTATION = np.array([[np.cos(ANGLE), -np.sin(ANGLE), 0], [np.sin(ANGLE), np.cos(ANGLE), 0], [0, 0, 1]])
AFFINE = np.eye(4)
AFFINE[:3, :3] = ROTATION @ np.diag([-1.5, 2.0, 3.0])
AFFINE[:3, 3] = 40, -30, 12.5
DTYPES = (
    *("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"),
    *("float32", "float64", "complex64", "complex128"),
)


def volume(ndim: int, dtype: str = "int16", kind: Any = nib.Nifti1Image, endianness: str = "<") -> Any:
    array = samples(SHAPE[:ndim], np.dtype(dtype).newbyteorder(endianness).str)
    image = kind(array, AFFINE, dtype=array.dtype, header=kind.header_class(endianness=endianness))
    image.header.set_zooms(tuple(SPACING.values())[:ndim])
    image.header.set_xyzt_units("mm", "sec")
    image.set_sform(AFFINE, 1)
    image.set_qform(AFFINE, 2)
    return image


def stored(*what: Any, sform: int = 1, qform: int = 2, **how: Any) -> Callable[[Path], np.ndarray]:
    def make(path: Path) -> np.ndarray:
        image = volume(*what, **how)
        image.set_sform(AFFINE, sform)
        image.set_qform(AFFINE, qform)
        nib.save(image, path)
        array = np.asarray(image.dataobj).T
        return np.ascontiguousarray(array, array.dtype.newbyteorder("="))

    return make


def scaled(path: Path) -> np.ndarray:
    """Stored integers with a slope and an intercept."""
    image = volume(3)
    stored_as = np.asarray(image.dataobj)
    image.header.set_slope_inter(0.25, -100)
    raw = image.header.copy()
    with path.open("wb") as file:
        raw["vox_offset"], raw["scl_slope"], raw["scl_inter"] = 352, 0.25, -100
        raw.write_to(file)
        file.write(b"\0" * (352 - file.tell()))
        file.write(stored_as.tobytes("F"))
    np.testing.assert_allclose(nib.load(path).get_fdata(), stored_as * 0.25 - 100.0)
    return np.ascontiguousarray(stored_as.T)


def extended(path: Path) -> np.ndarray:
    image = volume(3)
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"a remark"))
    nib.save(image, path)
    return np.ascontiguousarray(np.asarray(image.dataobj).T)


def example(name: str, make: Callable[[Path], np.ndarray], ndim: int = 3, suffix: str = ".nii", **rest: Any) -> Example:
    axes = "utzyx"[-ndim:]
    spacing = {axis: SPACING[axis] for axis in axes}
    unit = {axis: UNIT[axis] for axis in axes if axis in UNIT}
    return Example(
        f"nifti-{name}", suffix, make, axes, spacing, unit, **{"frames": frozenset(["sform", "qform"]), **rest}
    )


EXAMPLES = (
    *(example(dtype, stored(3, dtype)) for dtype in DTYPES),
    *(example(f"big-endian-{dtype}", stored(3, dtype, endianness=">")) for dtype in ("int16", "float32", "complex64")),
    *(example(f"{ndim}-D", stored(ndim), ndim) for ndim in (1, 2, 4, 5)),
    *(example(f"gz-{ndim}-D", stored(ndim), ndim, ".nii.gz") for ndim in (2, 3, 4, 5)),
    example("2", stored(4, "float64", nib.Nifti2Image), 4),
    example("2-gz", stored(3, "uint8", nib.Nifti2Image), suffix=".nii.gz"),
    example("2-big-endian", stored(3, "int32", nib.Nifti2Image, ">")),
    example("2-pair", stored(3, "int32", nib.Nifti2Pair), suffix=".hdr"),
    example("pair-by-header", stored(3, "int16", nib.Nifti1Pair), suffix=".hdr"),
    example("pair-by-samples", stored(4, "float32", nib.Nifti1Pair), 4, ".img"),
    example("pair-big-endian", stored(3, "uint16", nib.Nifti1Pair, ">"), suffix=".img"),
    example("no-frames", stored(3, sform=0, qform=0), frames=frozenset()),
    example("sform-only", stored(3, sform=4, qform=0), frames=frozenset(["sform"])),
    example("qform-only", stored(3, sform=0, qform=3), frames=frozenset(["qform"])),
    example("slope", scaled),
    example("extensions", extended),
)
