"""Signals that end the program: each raises an exception at once, and stays pending in case that exception is lost.

Python prints and discards exceptions that are raised in a weak reference's callback or in a finalizer, which can run at
any moment, for example during an import. Long loops therefore also call `raise_if_signalled`.
"""

from __future__ import annotations

import signal
from typing import NoReturn

_ENDING_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows lacks some of them
_pending: BaseException | None = None


def install_handlers() -> None:
    """Make SIGINT raise `KeyboardInterrupt`, and SIGTERM and SIGHUP raise `SystemExit` with 128 plus their number.

    A signal that is ignored, as under nohup, or that already has a handler of its own is left as it is.
    """
    global _pending
    _pending = None
    for number in _signal_numbers():
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _handle)


def install_worker_handlers() -> None:
    """Handle SIGTERM only. The other signals also reach the parent process, which then stops its workers."""
    for number in _signal_numbers():
        signal.signal(number, _handle if number == signal.SIGTERM else signal.SIG_IGN)


def was_signalled() -> bool:
    """Whether one of the signals has arrived."""
    return _pending is not None


def raise_if_signalled() -> None:
    """Raise the exception of a signal that has arrived, in case it was lost the first time."""
    if _pending is not None:
        raise _pending


def _signal_numbers() -> list[signal.Signals]:
    return [getattr(signal, name) for name in _ENDING_SIGNALS if hasattr(signal, name)]


def _handle(number: int, frame: object) -> NoReturn:
    global _pending
    for each in _signal_numbers():  # a second Ctrl-C must not interrupt the removal of temporary files
        signal.signal(each, signal.SIG_IGN)
    _pending = KeyboardInterrupt() if number == signal.SIGINT else SystemExit(128 + number)
    raise _pending
