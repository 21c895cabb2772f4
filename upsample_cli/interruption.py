"""Signals that end the program: each raises an exception where the program is, and is remembered in case it is lost.

Python prints and forgets what is raised while it runs the callback of a weak reference or a finalizer, as it does now
and then when it imports a module. So long work looks from time to time whether it shall end.
"""

from __future__ import annotations

import signal
from typing import NoReturn

_ENDING = ("SIGINT", "SIGTERM", "SIGHUP")  # of which Windows has not all
_told: BaseException | None = None


def listen() -> None:
    """Let the signals that end a program raise `KeyboardInterrupt`, or `SystemExit` with 128 and the signal's number.

    Signals that are ignored, as by nohup, or that somebody else has a use for, stay as they are.
    """
    global _told
    _told = None
    for number in _numbers():
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _end)


def listen_as_worker() -> None:
    """Listen to SIGTERM alone: the others reach the parent, too, which says what to do."""
    for number in _numbers():
        signal.signal(number, _end if number == signal.SIGTERM else signal.SIG_IGN)


def is_told() -> bool:
    """Whether one of the signals has come."""
    return _told is not None


def look() -> None:
    """Raise again what was raised when a signal came, if one has."""
    if _told is not None:
        raise _told


def _numbers() -> list[signal.Signals]:
    return [getattr(signal, name) for name in _ENDING if hasattr(signal, name)]


def _end(number: int, frame: object) -> NoReturn:
    global _told
    for each in _numbers():  # impatience must not keep what is unfinished from being removed
        signal.signal(each, signal.SIG_IGN)
    _told = KeyboardInterrupt() if number == signal.SIGINT else SystemExit(128 + number)
    raise _told
