"""Type aliases for arrays. They are strings because importing `numpy.typing` is slow."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    import numpy as np
    import numpy.typing as npt

Array: TypeAlias = "npt.NDArray[Any]"
FloatArray: TypeAlias = "npt.NDArray[np.float64]"
IndexArray: TypeAlias = "npt.NDArray[np.intp]"
WeightArray: TypeAlias = "npt.NDArray[np.floating]"
ByteArray: TypeAlias = "npt.NDArray[np.uint8]"
ArrayLike: TypeAlias = "npt.ArrayLike"
DTypeLike: TypeAlias = "npt.DTypeLike"


def are_channels_last(shape: Sequence[int], strides: Sequence[int]) -> bool:
    """Whether axis 1 of an array or slice of shape (N, C, spatial…) is its innermost axis in memory.

    This is PyTorch's rule for the memory format of an output, ``is_channels_last_strides_2d`` in c10, extended to
    flipped axes. Axes of size 1 are ignored, and an array whose order is ambiguous counts as channels-first.
    """
    order = [axis for axis in (1, *range(len(shape) - 1, 1, -1), 0) if shape[axis] > 1]
    if order[:1] != [1] or order in ([1], [1, 0]):
        return False
    least = 1
    for axis in order:
        if (stride := abs(strides[axis])) < least:
            return False
        least = stride * shape[axis]
    return True
