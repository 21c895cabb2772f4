"""``--draft``: lets the decoder shrink a photograph first, if the output is much smaller, and antialiases the rest."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.axis_plan import AxisPlan, AxisTarget, plan_axes
from ..core.sampling import AxisMap
from ..formats.base import DraftSource, Source, drafts
from .array_plan import ArrayPlan

_MIN_RATIO = 2  # decoded samples per output sample, along each axis


def draft_factor(image: ArrayPlan, source: Source) -> int:
    """The largest factor by which the decoder may shrink an image; 1 if it cannot or must not."""
    if not drafts(source) or any(axis.map.on_grid for axis in image.axes):
        return 1
    enough = (factor for factor in source.draft_factors if _is_large_enough(image, source.draft_shape(factor)))
    return max(enough, default=1)


def _is_large_enough(image: ArrayPlan, shape: Sequence[int]) -> bool:
    resized = [number for number, axis in enumerate(image.before.grid.axes) if axis.name in ("x", "y")]
    return all(shape[number] >= _MIN_RATIO * _whole(image.axes[number]).out_size for number in resized)


def drafted(image: ArrayPlan, source: DraftSource, factor: int) -> ArrayPlan:
    """The plan for the same output from the picture that the decoder has shrunk by `factor`.

    Sample ``j`` of that picture is the mean of `factor` samples starting at ``j·factor``, so its position is
    ``j·factor + (factor − 1)/2``. Along an axis that EXIF flips, the incomplete mean at the end comes first.
    """
    shape, flipped = source.draft_shape(factor), source.flipped_axes
    axes = list(image.axes)
    for number, axis in enumerate(image.before.grid.axes):
        if axis.name in ("x", "y"):
            whole = _whole(axes[number])
            missing = shape[number] * factor - axis.size if axis.name in flipped else 0
            shift = (whole.shift + missing) / factor
            crop = (axes[number].start, axes[number].map.out_size)
            target = AxisTarget(whole.out_size, factor / whole.pitch, exact=True, shift=shift or None, crop=crop)
            axes[number] = plan_axes([shape[number]], [target], image.mode, False, image.before.dtype)[0]
    before = image.before._replace(grid=image.before.grid.resized(shape))
    return image._replace(before=before, axes=tuple(axes)).unsliced()


def _whole(axis: AxisPlan) -> AxisMap:
    """The map of the whole axis, even if the output is cropped."""
    return axis.uncropped or axis.map
