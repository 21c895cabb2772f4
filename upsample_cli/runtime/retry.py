"""Retries requests to object stores that are temporarily unavailable."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

_WAITS_SECONDS = (0.5, 1.0, 2.0, 4.0)  # before each further attempt
_FINAL_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR}
_DATA_ERRORS = (ValueError, TypeError, RuntimeError, MemoryError)  # raised by codecs, not by the store
_REFUSALS = {"401": PermissionError, "403": PermissionError, "404": FileNotFoundError, "405": PermissionError}


def with_retries(request: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """The result of a request, which is repeated after growing pauses if the store does not answer or is busy.

    Raises:
        OSError: the store refuses the request, or all attempts fail.
    """
    for wait in _WAITS_SECONDS:
        try:
            return _translated(request, *args, **kwargs)
        except OSError as error:
            if error.errno in _FINAL_ERRORS or isinstance(error, (PermissionError, FileNotFoundError)):
                raise
            time.sleep(wait)
    return _translated(request, *args, **kwargs)


def _translated(request: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """The result of a request. Exceptions specific to the libraries for object stores become `OSError`."""
    try:
        return request(*args, **kwargs)
    except (OSError, *_DATA_ERRORS):
        raise
    except Exception as error:
        status = str(getattr(error, "status", None) or getattr(error, "code", None))
        raise _REFUSALS.get(status, OSError)(f"{type(error).__name__}: {error}") from error
