"""What can go wrong through no fault of ours. Every message names what is wrong and what to do about it."""

from __future__ import annotations

from pathlib import Path


class UpsampleError(Exception):
    """A failure that the user can do something about.

    Attributes:
        exit_code: what the command exits with.
        path: the file at fault, if one is.
    """

    exit_code = 1

    def __init__(self, message: str, path: Path | None = None) -> None:
        """Say `message` of the file `path`."""
        super().__init__(message if path is None else f"{shown(path)}: {message}")
        self.path = path


class RequestError(UpsampleError):
    """What was asked for makes no sense, or none for this file."""

    exit_code = 2


class InputError(UpsampleError):
    """An input cannot be read or is of a kind that is not supported."""

    exit_code = 3


class OutputError(UpsampleError):
    """An output cannot be written, exists already, or cannot hold the result."""

    exit_code = 4


class InternalError(UpsampleError):
    """A failure that the user can do nothing about.

    Attributes:
        traceback: where it happened, as Python shows it: text, which survives the way out of another process.
    """

    exit_code = 1
    traceback = ""

    @classmethod
    def of(cls, error: Exception, path: Path) -> InternalError:
        """Say of `path` that `error` is our fault."""
        from traceback import format_exception  # which is for bugs alone

        failure = cls(f"This is a bug: {type(error).__name__}: {error} (-v shows where)", path)
        failure.traceback = "".join(format_exception(error))
        return failure


def as_failure(error: Exception, path: Path, remedy: str) -> UpsampleError:
    """What is told of the file `path` when `error` has ended the work on it.

    Args:
        error: whatever was raised.
        path: the file.
        remedy: what to do where memory is short.
    """
    if isinstance(error, UpsampleError):
        return error
    if isinstance(error, MemoryError):
        return RequestError(f"there is not enough memory for this; {remedy}", path)
    return InternalError.of(error, path)


def shown(path: Path) -> str:
    """The path as it is said to people: on one line, and with nothing that a terminal cannot print."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(path))
