"""Images and what belongs to them, such as their segmentations: resized onto the same grid, each in its own mode."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from .errors import InputError, RequestError, shown
from .inputs import Input, Spelling
from .request import MODES, Onto, Request

if TYPE_CHECKING:
    from .core.arrays import FloatArray
    from .core.recipe import AxisRecipe, AxisTarget
    from .geometry import Grid

_WITHOUT_ANTIALIASING = ("nearest", "nearest-exact", "area")
_MARGIN = 0.01  # of a voxel, by which the corners of two grids that are the same may differ


class Pair(NamedTuple):
    """A rule that finds what belongs to an image by its name.

    Attributes:
        image, other: patterns with the same number of ``*``, each of which stands for the same in both.
        mode: in which the other is resized.
    """

    image: str
    other: str
    mode: str

    @classmethod
    def parse(cls, text: str) -> Pair:
        """Read ``IMAGE=OTHER:MODE``, such as ``*_T1w.nii.gz=*_dseg.nii.gz:label``.

        Raises:
            RequestError: it is no such rule.
        """
        patterns, _, mode = text.rpartition(":")
        image, _, other = patterns.partition("=")
        if not (image and other) or "=" in other or image == other:
            raise RequestError(f"--pair {text}: write IMAGE=OTHER:MODE, such as '*_T1w.nii.gz=*_dseg.nii.gz:label'")
        if image.count("*") != other.count("*"):
            raise RequestError(f"--pair {text}: each * stands for the same on both sides, which need equally many")
        if mode not in MODES:
            raise RequestError(f"--pair {text}: {mode!r} is no mode; one of {', '.join(MODES)} is possible")
        return cls(image, other, mode)


def with_pairs(files: Iterable[Input], pairs: Sequence[Pair], request: Request) -> Iterator[tuple[Input, Request]]:
    """The files, each with what is to be done to it, and after every image what belongs to it by any of `pairs`."""
    seen = set()
    spelling = Spelling()
    for file, wanted in _with_pairs(files, pairs, request):
        identity = spelling.of(file.path)
        if identity not in seen:
            seen.add(identity)
            yield file, wanted


def _with_pairs(files: Iterable[Input], pairs: Sequence[Pair], request: Request) -> Iterator[tuple[Input, Request]]:
    for file in files:
        for pair in pairs:
            image = _translate(file.path, pair.other, pair.image)
            if image is not None:
                yield file, _onto(image, pair, request)
                break
        else:
            yield file, request
            for pair in pairs:
                other = _translate(file.path, pair.image, pair.other)
                if other is not None:
                    yield Input(other, _subdir(file, other), file.found), _onto(file.path, pair, request)


def _onto(image: Path, pair: Pair, request: Request) -> Request:
    """What is to be done to the other of a pair."""
    antialias = request.antialias and pair.mode not in _WITHOUT_ANTIALIASING
    return replace(request, mode=pair.mode, antialias=antialias, onto=Onto(image, request.mode))


def _translate(path: Path, pattern: str, into: str) -> Path | None:
    """The path whose last parts are `into` where those of `path` are `pattern`, or None where they are not."""
    match = _compiled(pattern).fullmatch(str(path))
    if match is None:
        return None
    folder, *stars = match.groups()
    return Path(folder or "", "".join(part + star for part, star in zip(into.split("*"), [*stars, ""], strict=True)))


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    inner = "([^/]*)".join(re.escape(part) for part in pattern.split("*"))
    return re.compile(f"(?s:(.*/)?){inner}")


def _subdir(file: Input, other: Path) -> str:
    """Where `other` is, below the directory in which `file` was looked for."""
    if other.parent == file.path.parent:
        return file.subdir
    root = os.path.normpath(os.path.join(file.path.parent, *[".."] * len(Path(file.subdir).parts)))  # noqa: PTH118
    subdir = os.path.relpath(other.parent, root)
    return "" if subdir.startswith("..") or not file.found else subdir


def targets_onto(onto: Onto, request: Request, grid: Grid, path: Path) -> dict[str, AxisTarget]:
    """What the file at `path` is asked for, so that its output has the grid that the output of its image has.

    Args:
        onto: the image, which must lie on the grid of the file or, by its affine, cover the same extent.
        request: what is asked for.
        grid: of the file.
        path: of the file, for messages.

    Raises:
        RequestError: the image lies elsewhere.
        InputError: it cannot be read.
    """
    from . import formats
    from .core.recipe import AxisTarget, make_recipe
    from .plan import choose_mode, read_options
    from .targets import find_targets

    own = replace(request, mode=onto.mode, onto=None)
    try:
        with formats.open_source(onto.image, read_options(own)) as source:
            header = source.header
    except InputError as error:
        raise InputError(f"--pair: its image is of no use: {error}", path) from error
    wanted = find_targets(own, header.grid, onto.image)
    _refuse_elsewhere(grid, header.grid, request.align_corners, onto.image, path)
    sizes = [header.grid[name].size for name in wanted]
    mode = choose_mode(own, header.labels)
    recipe = make_recipe(sizes, list(wanted.values()), mode, request.align_corners, header.dtype)
    steps = dict(zip(wanted, recipe, strict=True))
    targets = {name: _target(steps[name], wanted[name], grid[name].size) for name in wanted if name in grid.names}
    kept = {name: header.grid[name].size for name in header.grid.spatial if name not in wanted}
    return targets | {
        name: AxisTarget(size) for name, size in kept.items() if name in grid.names and grid[name].size != size
    }


def _target(step: AxisRecipe, wanted: AxisTarget, size: int) -> AxisTarget:
    """What an axis of `size` samples is asked for, to have the grid of an image's axis, of which `wanted` was asked."""
    axis = step.map
    if axis.align_corners or axis.a == axis.in_size / axis.out_size or wanted.scale_factor is None:
        return replace(wanted, size=axis.out_size, scale_factor=None)
    return replace(wanted, scale_factor=wanted.scale_factor * (axis.in_size / size), exact=True)


def _refuse_elsewhere(grid: Grid, image: Grid, align_corners: bool, image_path: Path, path: Path) -> None:
    frames = set(grid.frames) & set(image.frames)
    if not frames and any(name not in grid.names or grid[name].size != image[name].size for name in image.spatial):
        sizes = ["×".join(str(each[name].size) for name in each.spatial) for each in (grid, image)]
        raise RequestError(
            f"--pair: is of {sizes[0]} samples, and its image {shown(image_path)} of {sizes[1]}; they must be alike",
            path,
        )
    for frame in sorted(frames):
        if _distance(grid, image, frame, align_corners) > _MARGIN:
            raise RequestError(
                f"--pair: covers another part of space than its image {shown(image_path)} (by its {frame}); "
                "resample it onto the image's grid first",
                path,
            )


def _distance(grid: Grid, image: Grid, frame: str, align_corners: bool) -> float:
    """How far the corners of two grids lie apart at most, in the smallest voxels of the image."""
    import numpy as np

    corners = [_corners(each, frame, align_corners) for each in (grid, image)]
    voxel = np.linalg.norm(image.affines[frame][:3, :3], axis=0).min()
    return float(np.abs(corners[0] - corners[1]).max() / voxel)


def _corners(grid: Grid, frame: str, align_corners: bool) -> FloatArray:
    """The positions of the eight outer corners, or of the samples at the corners, which resizing leaves in place."""
    import numpy as np

    from .geometry import SPATIAL

    margin = 0.0 if align_corners else 0.5
    ends = [(-margin, (grid[name].size if name in grid.names else 1) - 1 + margin) for name in SPATIAL]
    positions: FloatArray = grid.affines[frame] @ np.array([(*corner, 1.0) for corner in product(*ends)]).T
    return positions
