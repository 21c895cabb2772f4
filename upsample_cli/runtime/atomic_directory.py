"""Atomic directories: filled beside the target, renamed when complete, and kept for the next run if that is killed."""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import shutil
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from .atomic import try_lock

_NAME = re.compile(r"\.upsample-[0-9a-f]{12}-[0-9a-f]{16}\.partial")
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # of Linux's renameat2


class AtomicDirectory:
    """A directory that takes the place of its target when it is complete.

    Its name depends on the target and on `fingerprint`, so that the same work finds what an earlier run has finished.
    It is locked while a process fills it.

    Attributes:
        path: the directory to fill.
    """

    def __init__(self, target: Path, fingerprint: str) -> None:
        """Choose the name.

        Args:
            target: the final name.
            fingerprint: hexadecimal digits that are equal if and only if the work is the same.
        """
        of_target = hashlib.sha256(os.fsencode(target.name)).hexdigest()[:12]
        self._target = target
        self._prefix = f".upsample-{of_target}-"
        self.path = target.with_name(f"{self._prefix}{fingerprint[:16]}.partial")
        self._lock: int | None = None

    def __enter__(self) -> Self:
        """Create and lock the directory, and remove those that other work on the same target has left.

        Raises:
            BlockingIOError: another process is filling it.
            OSError: it cannot be created.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        if hasattr(os, "O_DIRECTORY"):
            self._lock = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
            if not try_lock(self._lock):
                self._unlock()
                raise BlockingIOError
        for other in self.path.parent.glob(f"{self._prefix}*.partial"):
            if other != self.path and _NAME.fullmatch(other.name):
                _remove_if_unlocked(other)
        return self

    def publish(self, overwrite: bool) -> None:
        """Rename the complete directory to its target.

        Raises:
            FileExistsError: the target exists, and `overwrite` is false.
            OSError: the directory cannot be renamed.
        """
        if not os.path.lexists(self._target):
            self.path.rename(self._target)
        elif not overwrite:
            raise FileExistsError(self._target)
        elif _exchange(self.path, self._target):
            _remove(self.path)
        else:
            aside = self.path.with_suffix(".replaced")
            self._target.rename(aside)
            self.path.rename(self._target)
            _remove(aside)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Unlock the directory. An unfinished one stays for the next run."""
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _exchange(one: Path, other: Path) -> bool:
    """Swap two directories in one step, which only Linux can; False if it cannot."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError, TypeError):
        return False
    names = os.fsencode(one), os.fsencode(other)
    return bool(renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0)


def _remove_if_unlocked(path: Path) -> None:
    if not hasattr(os, "O_DIRECTORY"):
        return
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            if try_lock(descriptor):
                _remove(path)
        finally:
            os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
