"""The compiled kernel, if it was built, and the choice of its instruction set. Does not import NumPy."""

from __future__ import annotations

import os
from functools import cache

try:
    from . import _compiled
except ImportError:  # not built, or built for another Python
    _compiled = None  # type: ignore[assignment]

compiled = _compiled
_ENVIRONMENT_VARIABLE = "UPSAMPLE_KERNEL"


@cache
def instruction_set() -> str | None:
    """The instruction set in use, or None if NumPy does the work.

    Raises:
        ValueError: `UPSAMPLE_KERNEL` names an instruction set that is not available.
    """
    available = [*(compiled.sets() if compiled is not None else ()), "numpy"]
    wanted = os.environ.get(_ENVIRONMENT_VARIABLE) or available[0]
    if wanted not in available:
        raise ValueError(f"{_ENVIRONMENT_VARIABLE}={wanted}: not available here; choose from {', '.join(available)}")
    return None if wanted == "numpy" else wanted


def describe() -> str:
    """The name of the kernel and its instruction set, as shown to users."""
    chosen = instruction_set()
    return "NumPy" if chosen is None else f"compiled, {chosen}"
