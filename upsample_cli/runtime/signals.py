"""Signals that end the program: each raises an exception at once, and is kept in case that exception is lost.

Python prints and discards exceptions that are raised in a weak reference's callback or in a finalizer, which can run at
any moment, for example during an import. Long loops therefore also call `raise_if_signalled`, and nothing is printed.
While a function of a library runs, such as an encoder, no exception can be raised at all; `bounded_delay` limits how
long that may take.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

from .atomic import remove_unpublished

_ENDING_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows lacks some of them
_DELAY_SECONDS = 1.0  # between a signal and the forced end
before_forced_end: list[Callable[[], object]] = []  # called in another thread while the main thread is busy
_pending: BaseException | None = None
_installed = False


def install_handlers() -> None:
    """Make SIGINT raise `KeyboardInterrupt`, and SIGTERM and SIGHUP raise `SystemExit` with 128 plus their number.

    A signal that is ignored, as under nohup, or that already has a handler of its own is left as it is.
    """
    global _pending, _installed
    _pending, _installed = None, True
    sys.unraisablehook = _print_discarded
    for number in _signal_numbers():
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _handle)


def install_worker_handlers() -> None:
    """Handle SIGTERM only. The other signals also reach the parent process, which then stops its workers."""
    global _pending
    _pending = None  # a forked process has a copy of what its parent has not yet raised again
    for number in _signal_numbers():
        signal.signal(number, _handle if number == signal.SIGTERM else signal.SIG_IGN)


@contextmanager
def bounded_delay() -> Iterator[None]:
    """End the process if this block still runs a second after a signal, for example because an encoder is busy.

    The functions in `before_forced_end` are called, temporary files are removed, and the exit code is that of the
    signal. A thread waits for signals meanwhile. Without `install_handlers`, and outside the main thread, this does
    nothing.
    """
    if not _installed or threading.current_thread() is not threading.main_thread() or not hasattr(select, "poll"):
        yield
        return
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    thread = threading.Thread(target=_watch, args=(reader,), name="upsample-signals", daemon=True)
    try:
        with suppress(RuntimeError):  # the system allows no more threads
            thread.start()
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(writer)  # ends the thread
        if thread.ident is not None:
            thread.join()
        os.close(reader)


def _watch(reader: int) -> None:
    """Wait for a signal, and end the process if the pipe is still open some time later."""
    with suppress(OSError):
        while (number := os.read(reader, 1)) and number[0] not in _signal_numbers():
            pass
        poll = select.poll()
        poll.register(reader, select.POLLHUP)
        if number and not poll.poll(_DELAY_SECONDS * 1000):
            for function in before_forced_end:
                with suppress(Exception):
                    function()
            remove_unpublished()
            os.write(2, b"Interrupted: unfinished outputs are removed\n")
            os._exit(128 + number[0])


def was_signalled() -> bool:
    """Whether one of the signals has arrived."""
    return _pending is not None


def raise_if_signalled() -> None:
    """Raise the exception of a signal that has arrived, in case it was lost the first time."""
    if _pending is not None:
        raise _pending


def _print_discarded(discarded: sys.UnraisableHookArgs) -> None:
    """Print an exception that Python discards, unless a signal caused it: that one will be raised again."""
    if discarded.exc_value is None or discarded.exc_value is not _pending:
        sys.__unraisablehook__(discarded)


def _signal_numbers() -> list[signal.Signals]:
    return [getattr(signal, name) for name in _ENDING_SIGNALS if hasattr(signal, name)]


def _handle(number: int, frame: object) -> NoReturn:
    global _pending
    for each in _signal_numbers():  # a second Ctrl-C must not interrupt the removal of temporary files
        signal.signal(each, signal.SIG_IGN)
    _pending = KeyboardInterrupt() if number == signal.SIGINT else SystemExit(128 + number)
    raise _pending
