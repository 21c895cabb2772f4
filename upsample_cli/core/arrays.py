"""Names for arrays, for readers and type checkers: to import `numpy.typing` takes longer than a small picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
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
