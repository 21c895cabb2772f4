"""TIFF files, by tifffile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from tests.formats.examples.record import Example, samples
from upsample_cli.formats.base import ReadOptions

KEEP = ReadOptions(keep_indices=True)
PAGE, STACK = (21, 35), (5, 21, 35)
GREY = {"photometric": "minisblack"}
PLAIN = GREY | {"metadata": None}
DTYPES = (
    *("bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"),
    *("float16", "float32", "float64", "complex64", "complex128"),
)
INCH = {"x": 25.4 / 300, "y": 25.4 / 150}
MM = {"x": "mm", "y": "mm"}
ZYX, UM = {"z": 1.5, "y": 0.25, "x": 0.2}, {"z": "µm", "y": "µm", "x": "µm"}
OME = {"PhysicalSizeX": 0.2, "PhysicalSizeY": 0.25, "PhysicalSizeZ": 1.5}
OME |= {f"PhysicalSize{axis}Unit": "µm" for axis in "XYZ"}


def stored(shape: tuple[int, ...], dtype: str = "uint8", **options: Any) -> Callable[[Path], np.ndarray]:
    def make(path: Path) -> np.ndarray:
        array = samples(shape, dtype)
        tifffile.imwrite(path, array, **options)
        return array

    return make


def page_by_page(**options: Any) -> Callable[[Path], np.ndarray]:
    """Pages that do not follow each other without a gap."""

    def make(path: Path) -> np.ndarray:
        array = samples(STACK, "uint16")
        with tifffile.TiffWriter(path) as writer:
            for page in array:
                writer.write(page, contiguous=False, **PLAIN, **options)
        return array

    return make


def indexed(kept: bool) -> Callable[[Path], np.ndarray]:
    def make(path: Path) -> np.ndarray:
        indices, colours = samples(PAGE), samples((256, 3))
        colormap = colours.T.astype(np.uint16) * 257
        tifffile.imwrite(path, indices, photometric="palette", colormap=colormap)
        return indices if kept else colours[indices]

    return make


def planes(shape: tuple[int, ...], **options: Any) -> Callable[[Path], np.ndarray]:
    """Pages with a plane for each colour, which are read as pixels."""

    def make(path: Path) -> np.ndarray:
        array = samples(shape)
        tifffile.imwrite(path, np.moveaxis(array, -1, -3), planarconfig="separate", **PLAIN | rgb(**options))
        return array

    return make


def lab(path: Path) -> np.ndarray:
    """Colours of which two are signed numbers, which count from their smallest when they are read."""
    array = samples((*PAGE, 3))
    tifffile.imwrite(path, array, photometric="cielab", metadata=None)
    return np.concatenate([array[..., :1], (array[..., 1:].view(np.int8) + np.int16(128)).astype(np.uint8)], -1)


def plain(name: str, shape: tuple[int, ...], dtype: str, axes: str, **options: Any) -> Example:
    return Example(f"tiff-{name}", ".tif", stored(shape, dtype, **(PLAIN | options)), axes)


def rgb(**options: Any) -> dict[str, Any]:
    return {"photometric": "rgb", **options}


_EXAMPLES = (
    *(plain(dtype, PAGE, dtype, "yx") for dtype in DTYPES),
    *(plain(f"stack-{dtype}", STACK, dtype, "zyx", byteorder=">") for dtype in DTYPES if dtype != "bool"),
    Example("tiff-stack-bool", ".tif", stored(STACK, "bool", **PLAIN), "zyx", options=ReadOptions(axes="zyx")),
    *(
        plain(f"{compression}-{'predictor' if predictor else 'plain'}", STACK, "uint16", "zyx", **options)
        for compression in ("none", "lzw", "zlib", "packbits", "zstd", "lzma")
        for predictor in (False, True)
        if not (predictor and compression in ("none", "packbits"))
        for options in [{"compression": compression, "predictor": predictor}]
    ),
    plain("float-predictor", STACK, "float32", "zyx", compression="zlib", predictor=True),
    plain("strips", STACK, "uint16", "zyx", rowsperstrip=4),
    plain("strips-lzw", STACK, "uint16", "zyx", rowsperstrip=4, compression="lzw"),
    plain("tiles", STACK, "uint16", "zyx", tile=(16, 16)),
    plain("tiles-zlib", STACK, "uint16", "zyx", tile=(16, 32), compression="zlib"),
    plain("tiles-rgb", (*PAGE, 3), "uint8", "yxs", tile=(16, 16), **rgb()),
    Example("tiff-tiles-planar", ".tif", planes((*PAGE, 3), tile=(16, 16)), "yxs"),
    plain("bigtiff", STACK, "uint16", "zyx", bigtiff=True),
    plain("bigtiff-big-endian", STACK, "uint16", "zyx", bigtiff=True, byteorder=">"),
    plain("rgb", (*PAGE, 3), "uint8", "yxs", **rgb()),
    plain("rgb16", (*PAGE, 3), "uint16", "yxs", **rgb(compression="lzw", predictor=True)),
    Example("tiff-rgb-planar", ".tif", planes((*PAGE, 3)), "yxs"),
    Example("tiff-rgba-planar", ".tif", planes((*PAGE, 4), extrasamples=["unassalpha"]), "yxs", alpha=True),
    Example("tiff-rgb-planar-lzw", ".tif", planes((*PAGE, 3), compression="lzw", predictor=True), "yxs"),
    Example("tiff-rgb-stack", ".tif", stored((5, *PAGE, 3), **PLAIN | rgb()), "zyxs", options=ReadOptions(axes="zyxs")),
    Example("tiff-rgb-stack-planar", ".tif", planes((5, *PAGE, 3)), "zyxs", options=ReadOptions(axes="zyxs")),
    Example("tiff-cielab", ".tif", lab, "yxs"),
    plain("white-is-zero", PAGE, "uint8", "yx", photometric="miniswhite"),
    Example("tiff-rgba", ".tif", stored((*PAGE, 4), **rgb(extrasamples=["unassalpha"])), "yxs", alpha=True),
    Example("tiff-rgba-premultiplied", ".tif", stored((*PAGE, 4), **rgb(extrasamples=["assocalpha"])), "yxs"),
    Example("tiff-gaps", ".tif", page_by_page(), "zyx"),
    Example("tiff-gaps-lzw", ".tiff", page_by_page(compression="lzw"), "zyx"),
    Example("tiff-palette", ".tif", indexed(False), "yxs"),
    Example("tiff-palette-kept", ".tif", indexed(True), "yx", options=KEEP),
    Example("tiff-inches", ".tif", stored(PAGE, **PLAIN, resolution=(300, 150), resolutionunit="inch"), "yx", INCH, MM),
    Example(
        "tiff-centimetres",
        ".tif",
        stored(PAGE, **PLAIN, resolution=(300 / 2.54, 150 / 2.54), resolutionunit="centimeter"),
        "yx",
        INCH,
        MM,
    ),
    Example("tiff-named-by-user", ".tif", stored(STACK, **PLAIN), "tyx", options=ReadOptions(axes="tyx")),
    Example("tiff-shaped", ".tif", stored(STACK, "uint16"), "zyx"),
    Example("tiff-shaped-axes", ".tif", stored((2, 3, *PAGE), **GREY, metadata={"axes": "ZCYX"}), "zcyx"),
    Example("tiff-shaped-time", ".tif", stored(STACK, "float32", metadata={"axes": "TYX"}), "tyx"),
    Example(
        "tiff-shaped-lzw",
        ".tif",
        stored((2, 3, *PAGE), **GREY, metadata={"axes": "ZCYX"}, compression="lzw"),
        "zcyx",
    ),
    Example(
        "imagej-tzcyx",
        ".tif",
        stored(
            (2, 3, 2, *PAGE),
            "uint16",
            imagej=True,
            resolution=(5, 4),
            metadata={"axes": "TZCYX", "unit": "micron", "spacing": 1.5, "finterval": 30.0},
        ),
        "tzcyx",
        ZYX | {"t": 30},
        UM | {"t": "s"},
    ),
    Example(
        "imagej-zyx",
        ".tif",
        stored(
            STACK, "float32", imagej=True, resolution=(5, 4), metadata={"axes": "ZYX", "unit": "um", "spacing": 1.5}
        ),
        "zyx",
        ZYX,
        UM,
    ),
    Example("imagej-yx", ".tif", stored(PAGE, imagej=True), "yx"),
    Example("imagej-zyxs", ".tif", stored((5, *PAGE, 3), imagej=True, metadata={"axes": "ZYXS"}), "zyxs"),
    Example(
        "ome-czyx",
        ".ome.tif",
        stored((2, *STACK), "uint16", metadata={"axes": "CZYX", "Channel": {"Name": ["DNA", "Actin"]}, **OME}),
        "czyx",
        ZYX,
        UM,
    ),
    Example(
        "ome-tzcyx",
        ".ome.tiff",
        stored(
            (2, 3, 2, *PAGE),
            "float32",
            compression="zlib",
            metadata={"axes": "TZCYX", "TimeIncrement": 30.0, "TimeIncrementUnit": "s", **OME},
        ),
        "tzcyx",
        ZYX | {"t": 30},
        UM | {"t": "s"},
    ),
    Example("ome-yx", ".ome.tif", stored(PAGE, "float64", metadata={"axes": "YX"}), "yx"),
    Example("ome-yxs", ".ome.tif", stored((*PAGE, 3), metadata={"axes": "YXS"}, photometric="rgb"), "yxs"),
    Example(
        "ome-tiled-millimetres",
        ".ome.tif",
        stored(
            STACK,
            "uint16",
            tile=(16, 16),
            metadata={"axes": "ZYX", "PhysicalSizeX": 2.0, "PhysicalSizeXUnit": "mm"},
        ),
        "zyx",
        {"x": 2.0},
        {"x": "mm"},
    ),
)

# Every source says where its own voxels are, for what counts in them.
EXAMPLES = tuple(replace(example, frames=frozenset({"raster"})) for example in _EXAMPLES)


def claim_subsampling(path: Path, page: int = 0) -> None:
    """Have a page of YCbCr say that it has fewer samples of colour than pixels, as tifffile writes none."""
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tiff:
        offset = tiff.pages[page].tags["YCbCrSubSampling"].valueoffset
    data[offset : offset + 4] = np.array([2, 2], "<u2").tobytes()
    path.write_bytes(data)
