"""Errors that are reported to the user. Each class is one exit code of the command."""

from __future__ import annotations

import errno
import re
from pathlib import Path

from .text import printable

_NO_MEMORY = ("failed to map segment", "cannot allocate memory")  # messages of the dynamic linker
_CODECS = ("imagecodecs", "zlib", "isal")
_CODEC_MEMORY_ERROR = re.compile(r"alloc|out of memory|nomem|Error -4\b", re.IGNORECASE)
_PYTHON_ERRORS = (TypeError, AttributeError, LookupError, ArithmeticError, AssertionError, UnicodeError)
_PYTHON_WORDS = re.compile(
    r"\w\(|<class|\b[Gg]ot\b|\bb'|\(\)|base 10|reshape|\bbuffer\b|unpack|\bargument\b|\bNone|\bobject\b|\barray\b"
    r"|invalid literal|cannot convert float"
)


class UpsampleError(Exception):
    """Base class of all errors with a message for the user, which names what is wrong and what to do about it.

    Attributes:
        exit_code: the exit code of the command.
        path: the file concerned, or None.
    """

    exit_code = 1

    def __init__(self, message: str, path: Path | None = None) -> None:
        """Create an error whose text is `message`, preceded by `path` if given, as one printable line."""
        super().__init__(printable(message if path is None else f"{path}: {message}"))
        self.path = path


class RequestError(UpsampleError):
    """The options contradict each other, or do not fit this file."""

    exit_code = 2


class InputError(UpsampleError):
    """An input cannot be read or is not supported."""

    exit_code = 3


class OutputError(UpsampleError):
    """An output cannot be written, already exists, or cannot hold the result."""

    exit_code = 4


class InternalError(UpsampleError):
    """A bug in this program.

    Attributes:
        traceback: the formatted traceback, as text because it has to cross process boundaries.
    """

    exit_code = 1
    traceback = ""

    @classmethod
    def of(cls, error: Exception, path: Path | None) -> InternalError:
        """The report of an unexpected `error` that occurred while the file `path` was processed."""
        from traceback import format_exception  # slow to import, and needed for bugs only

        failure = cls(f"This is a bug: {type(error).__name__}: {error} (-v shows where)", path)
        failure.traceback = "".join(format_exception(error))
        return failure


def reason(error: Exception) -> str:
    """Why a library could not read a file, on one line: its own message, unless that is about Python."""
    words = getattr(error, "strerror", None) or str(error)
    if isinstance(error, EOFError) or type(error).__module__ == "struct" or not words.strip():
        return "it is truncated or damaged"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, _PYTHON_ERRORS) or _PYTHON_WORDS.search(words):
        return "its contents are damaged"
    return str(words).strip().splitlines()[0]


def as_failure(error: Exception, path: Path | None, remedy: str) -> UpsampleError:
    """The error to report for the file `path` after any exception.

    Args:
        error: the exception.
        path: the file that was being processed, or None.
        remedy: what the user can do if memory ran out.
    """
    if isinstance(error, UpsampleError):
        return error
    if is_memory_shortage(error):
        return RequestError(f"not enough memory; {remedy}", path)
    if is_thread_shortage(error):
        return RequestError("the system allows no more threads; close other programs, or try again", path)
    if isinstance(error, FileNotFoundError) and not _has_working_directory():
        return RequestError("the working directory has been removed; change to another one", path)
    return InternalError.of(error, path)


def is_thread_shortage(error: Exception) -> bool:
    """Whether a thread could not be started, for which Python has no specific exception."""
    return isinstance(error, RuntimeError) and "start new thread" in str(error)


def _has_working_directory() -> bool:
    try:
        Path.cwd()
    except OSError:
        return False
    return True


def is_memory_shortage(error: BaseException) -> bool:
    """Whether memory ran out. Under an address space limit, loading libraries or mapping files can fail as well."""
    if isinstance(error, ImportError):
        cause = error.__cause__
        said = str(error).lower()
        return any(words in said for words in _NO_MEMORY) or (cause is not None and is_memory_shortage(cause))
    if type(error).__module__.startswith(_CODECS):
        return _CODEC_MEMORY_ERROR.search(str(error)) is not None
    return isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
