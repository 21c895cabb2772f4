"""The interpolation mode of a request, and how a file has to be read for it."""

from __future__ import annotations

from dataclasses import replace

from ..core.modes import Mode, find_mode
from ..errors import RequestError
from ..formats.base import ReadOptions
from .request import Request


def choose_mode(request: Request, has_labels: bool = False) -> Mode:
    """The requested mode; without one, nearest-exact for a file that is marked as containing labels, else linear.

    Raises:
        RequestError: there is no such mode, or it does not support the requested options.
    """
    try:
        mode = find_mode(request.mode or ("nearest-exact" if has_labels else "linear"))
        if mode.is_label_mode:
            mode = replace(find_mode(request.label_kernel), name=mode.name, is_label_mode=True)
        if request.align_corners and not mode.allows_align_corners:
            raise ValueError(f"--align-corners does not apply to mode {mode.name!r}; leave it out")
        return mode.antialiased() if request.antialias else mode
    except ValueError as error:
        raise RequestError(str(error)) from error


def read_options(request: Request) -> ReadOptions:
    """How input files are read for `request`."""
    keep_indices = choose_mode(request).preserves_values and not request.converts
    return ReadOptions(request.axes, keep_indices, request.series, request.truncated)
