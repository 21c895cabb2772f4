"""The line on a terminal that shows how far a batch is."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from ..text import format_duration, printable

_PATIENCE = 0.5  # seconds of work that are not worth a display
_PERIOD = 0.1  # seconds between two pictures of it
_WIDTH = 20  # of a bar
_ERASE = "\r\x1b[K"
_NO_WRAP, _WRAP = "\x1b[?7l", "\x1b[?7h"  # a line that is too long for the terminal is cut there, whatever its letters


class Display:
    """How many files are done, how fast, how long it will take, and what is at hand: one line, drawn again and again.

    It is cleared before anything else is written, and drawn again with the next news.
    """

    def __init__(self, total: int, stream: TextIO) -> None:
        """Show the progress of `total` files on a terminal."""
        self._total = total
        self._stream = stream
        self._ended = 0
        self._parts: dict[Path, float] = {}
        self._began = self._drawn = time.monotonic()
        self._is_shown = False
        self._signs = "━─" if "utf" in stream.encoding.lower() else "#-"

    def advance(self, path: Path, part: float) -> None:
        """Note which part of a file is done, 0 when it begins."""
        self._parts[path] = part
        self._draw()

    def end(self, path: Path) -> None:
        """Note that a file has ended."""
        self._parts.pop(path, None)
        self._ended += 1
        self._draw()

    def leave_out(self, path: Path) -> None:
        """Note that there is nothing to do for a file, which tells nothing of how long others take."""
        self._parts.pop(path, None)
        self._total -= 1

    def clear(self) -> None:
        """Take the line away."""
        if self._is_shown:
            self._is_shown = False
            self._write(_ERASE)

    def _draw(self) -> None:
        now = time.monotonic()
        if now - self._began < _PATIENCE or now - self._drawn < _PERIOD:
            return
        self._drawn, self._is_shown = now, True
        self._write(f"{_ERASE}{_NO_WRAP}{self.line(now - self._began)}{_WRAP}")

    def _write(self, text: str) -> None:
        with suppress(OSError):  # the terminal has gone
            self._stream.write(text)
            self._stream.flush()

    def line(self, seconds: float) -> str:
        """What is shown after so many seconds."""
        done = self._ended + sum(self._parts.values())
        left = f"{format_duration(seconds * (self._total - done) / done)} left" if done else "?"
        words = []
        if self._total > 1:
            rate = self._ended / seconds
            words = [f"{self._bar(done / self._total)} {self._ended}/{self._total}", f"{rate:.3g} files/s"]
        return "  ".join([*words, left, self._current()])

    def _current(self) -> str:
        """The file that has been at hand for longest, with a bar of its own if it has a long way."""
        if not self._parts:
            return ""
        path, part = next(iter(self._parts.items()))
        bar = f"{self._bar(part)} {part:.0%} " if 0 < part < 1 else ""
        return bar + printable(path)

    def _bar(self, part: float) -> str:
        full = round(min(1.0, part) * _WIDTH)
        return self._signs[0] * full + self._signs[1] * (_WIDTH - full)
