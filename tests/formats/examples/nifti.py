"""NIfTI, Analyze and MGH files, by nibabel."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from tests.formats.examples.record import Example, samples

SHAPE = (9, 8, 7, 3, 2, 2, 2)
SPACING = {"x": 1.5, "y": 2.0, "z": 3.0, "t": 2.5, "u": 1.0, "v": 0.5, "w": 4.0}
UNIT = {"x": "mm", "y": "mm", "z": "mm", "t": "s"}
ANGLE = 0.3
ROTATION = np.array([[np.cos(ANGLE), -np.sin(ANGLE), 0], [np.sin(ANGLE), np.cos(ANGLE), 0], [0, 0, 1]])
AFFINE = np.eye(4)
AFFINE[:3, :3] = ROTATION @ np.diag([-1.5, 2.0, 3.0])
AFFINE[:3, 3] = 40, -30, 12.5
FRAMES = frozenset(["sform", "qform"])
COLOURED = ({axis: SPACING[axis] for axis in "xyz"}, dict.fromkeys("xyz", "mm"))
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
    axes = "wvutzyx"[-ndim:]
    spacing = {axis: SPACING[axis] for axis in axes}
    unit = {axis: UNIT[axis] for axis in axes if axis in UNIT}
    return Example(
        f"nifti-{name}", suffix, make, axes, spacing, unit, **{"frames": frozenset(["sform", "qform"]), **rest}
    )


def coloured(channels: str) -> Callable[[Path], np.ndarray]:
    """Pixels that NIfTI stores as one voxel each."""

    def make(path: Path) -> np.ndarray:
        array = samples((*SHAPE[2::-1], len(channels)))
        pixels = array.view([(name, "u1") for name in channels])[..., 0]
        image = nib.Nifti1Image(pixels.T, AFFINE)
        image.header.set_zooms(tuple(SPACING.values())[:3])
        image.header.set_xyzt_units("mm")
        image.set_qform(AFFINE, 1)
        nib.save(image, path)
        return array

    return make


def freesurfer(ndim: int, dtype: str) -> Callable[[Path], np.ndarray]:
    def make(path: Path) -> np.ndarray:
        array = samples(SHAPE[:ndim], dtype)
        image = nib.MGHImage(array, AFFINE)
        image.header.set_zooms((*SPACING.values(),)[:3] + (2500,) * (ndim - 3))
        nib.save(image, path)
        return np.ascontiguousarray(array.T)

    return make


def analyze(ndim: int, dtype: str, kind: Any, endianness: str = "<") -> Callable[[Path], np.ndarray]:
    def make(path: Path) -> np.ndarray:
        array = samples(SHAPE[:ndim], dtype)
        header = kind.header_class(endianness=endianness)
        header.set_data_dtype(np.dtype(dtype))
        header.set_data_shape(SHAPE[:ndim])
        header.set_zooms((*SPACING.values(),)[:ndim])
        if kind is not nib.AnalyzeImage:
            header["origin"][:3] = 4, 5, 3
        path.with_suffix(".hdr").write_bytes(header.binaryblock)
        path.with_suffix(".img").write_bytes(array.astype(array.dtype.newbyteorder(endianness)).tobytes("F"))
        np.testing.assert_array_equal(nib.load(path).dataobj, array)
        return np.ascontiguousarray(array.T)

    return make


def mgh_example(name: str, make: Callable[[Path], np.ndarray], ndim: int = 3, suffix: str = ".mgh") -> Example:
    axes = "tzyx"[-ndim:]
    spacing = {axis: 2500 if axis == "t" else SPACING[axis] for axis in axes}
    unit = {axis: "ms" if axis == "t" else "mm" for axis in axes}
    return Example(f"mgh-{name}", suffix, make, axes, spacing, unit, frames=frozenset(["ras"]))


def analyze_example(name: str, make: Callable[[Path], np.ndarray], ndim: int = 3, suffix: str = ".img") -> Example:
    axes = "tzyx"[-ndim:]
    spacing = {axis: SPACING[axis] for axis in axes}
    unit = {axis: "mm" for axis in axes if axis != "t"}
    return Example(f"analyze-{name}", suffix, make, axes, spacing, unit, frames=frozenset(["spm"]))


EXAMPLES = (
    *(example(dtype, stored(3, dtype)) for dtype in DTYPES),
    *(example(f"big-endian-{dtype}", stored(3, dtype, endianness=">")) for dtype in ("int16", "float32", "complex64")),
    *(example(f"{ndim}-D", stored(ndim), ndim) for ndim in (1, 2, 4, 5, 6, 7)),
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
    example("pair-gz", stored(3, "int16", nib.Nifti1Pair), suffix=".img.gz"),
    Example("nifti-rgb", ".nii", coloured("RGB"), "zyxs", *COLOURED, frames=FRAMES),
    Example("nifti-rgba-gz", ".nii.gz", coloured("RGBA"), "zyxs", *COLOURED, alpha=True, frames=FRAMES),
    *(mgh_example(dtype, freesurfer(3, dtype)) for dtype in ("uint8", "int16", "uint16", "int32", "float32")),
    mgh_example("4-D", freesurfer(4, "int16"), 4),
    mgh_example("compressed", freesurfer(4, "float32"), 4, ".mgz"),
    *(analyze_example(f"75-{dtype}", analyze(3, dtype, nib.AnalyzeImage)) for dtype in ("uint8", "int32", "complex64")),
    analyze_example("by-header", analyze(3, "float64", nib.AnalyzeImage), suffix=".hdr"),
    *(analyze_example(f"spm99-{dtype}", analyze(4, dtype, nib.Spm99AnalyzeImage), 4) for dtype in ("int16", "float32")),
    analyze_example("spm2-big-endian", analyze(3, "int16", nib.Spm2AnalyzeImage, ">")),
)
