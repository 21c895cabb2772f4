"""Transforms the regions of interest (ROI) of an OME-XML, whose coordinates are in pixels."""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree.ElementTree import Element

import numpy as np

from ...core.arrays import FloatArray
from ...geometry import RASTER, Grid
from ..dropped import Dropped, Loss

_SHAPES = ("Rectangle", "Ellipse", "Point", "Line", "Polyline", "Polygon", "Label", "Mask")


def transform_rois(root: Element, image: Element, grid: Grid, sizes: Mapping[str, int], alone: bool) -> list[str]:
    """Transform the shapes of an image to output pixels; returns warnings about what is dropped.

    The element ``Transform`` of each shape is added or updated: ``A00 A01 A02`` and ``A10 A11 A12`` are the rows of an
    affine of x and y.

    Args:
        root: the document.
        image: the image that the regions belong to.
        grid: grid of the output.
        sizes: sizes of the axes of the input.
        alone: whether it is the only image, which regions without a reference then belong to.
    """
    referred = {reference.get("ID") for reference in image.findall("./{*}ROIRef")}
    regions = [roi for roi in root.findall("./{*}ROI") if alone or roi.get("ID") in referred]
    after = {axis.name: axis.size for axis in grid.axes}
    to_output = _corner_affine(grid)
    changed = [name for name in "zt" if name in after and after[name] != sizes[name]]
    warnings: list[str] = []
    for union in (union for roi in regions for union in roi.findall("./{*}Union")):
        for shape in list(union):
            if shape.tag.rpartition("}")[2] not in _SHAPES:
                union.remove(shape)
                warnings.append(Dropped("regions in an old version of OME-XML are dropped", Loss.OTHER))
                continue
            if not np.array_equal(to_output, np.eye(3)):
                _transform(shape, to_output)
            moved = [_to_nearest(shape, name, sizes[name], after[name]) for name in changed]
            if any(moved):
                warnings.append("regions of single planes in the OME-XML are moved to the nearest plane of the output")
    return warnings


def _corner_affine(grid: Grid) -> FloatArray:
    """The affine from x and y of the input to those of the output, where 0 is the corner of the first pixel."""
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    plane = grid.affines[RASTER][np.ix_([0, 1, 3], [0, 1, 3])] if RASTER in grid.affines else np.eye(3)
    to_output: FloatArray = half @ np.linalg.inv(plane) @ np.linalg.inv(half)
    return to_output


def _transform(shape: Element, to_output: FloatArray) -> None:
    names = [[f"A{row}{column}" for column in range(3)] for row in range(2)]
    transform = shape.find("./{*}Transform")
    matrix = np.eye(3)
    if transform is None:
        namespace = shape.tag.rpartition("}")
        transform = Element(f"{namespace[0]}{namespace[1]}Transform")
        shape.insert(0, transform)
    else:
        matrix[:2] = [[float(transform.get(name, "nan")) for name in row] for row in names]
    matrix = to_output @ matrix
    for row, values in zip(names, matrix, strict=False):
        for name, value in zip(row, values, strict=True):
            transform.set(name, repr(float(value)))


def _to_nearest(shape: Element, axis: str, before: int, after: int) -> bool:
    """Move a shape of a single plane of `axis` to the nearest plane of the output; returns whether it has one."""
    name = f"The{axis.upper()}"
    plane = shape.get(name)
    if plane is None:
        return False
    nearest = round((int(plane) + 0.5) * after / before - 0.5)
    shape.set(name, str(min(after - 1, max(0, nearest))))
    return True
