"""The progress line on a terminal, which shows the whole batch and the file in progress."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from ..text import format_duration, printable

_DELAY_SECONDS = 0.5  # before the line is first shown
_REDRAW_SECONDS = 0.1
_BAR_COLUMNS = 20
_ERASE_LINE = "\r\x1b[K"
_WRAP_OFF, _WRAP_ON = "\x1b[?7l", "\x1b[?7h"  # the terminal cuts a line that is too long, at any character width


class Display:
    """One line with the number of finished files, the rate, the time left and the current file.

    It must be cleared before anything else is written, and is redrawn with the next update.
    """

    def __init__(self, total: int, stream: TextIO) -> None:
        """Show the progress of `total` files on a terminal."""
        self._total = total
        self._stream = stream
        self._finished = 0
        self._fractions: dict[Path, float] = {}
        self._started = self._last_drawn = time.monotonic()
        self._is_shown = False
        self._bar_characters = "━─" if "utf" in stream.encoding.lower() else "#-"

    def advance(self, path: Path, fraction: float) -> None:
        """Set the fraction of a file that is done; 0 when it starts."""
        self._fractions[path] = fraction
        self._draw()

    def finish(self, path: Path) -> None:
        """Count a file as finished."""
        self._fractions.pop(path, None)
        self._finished += 1
        self._draw()

    def skip(self, path: Path) -> None:
        """Take a skipped file out of the total, because it would distort the time left."""
        self._fractions.pop(path, None)
        self._total -= 1

    def clear(self) -> None:
        """Erase the line."""
        if self._is_shown:
            self._is_shown = False
            self._write(_ERASE_LINE)

    def _draw(self) -> None:
        now = time.monotonic()
        if now - self._started < _DELAY_SECONDS or now - self._last_drawn < _REDRAW_SECONDS:
            return
        self._last_drawn, self._is_shown = now, True
        self._write(f"{_ERASE_LINE}{_WRAP_OFF}{self.line(now - self._started)}{_WRAP_ON}")

    def _write(self, text: str) -> None:
        with suppress(OSError):  # the terminal was closed
            self._stream.write(text)
            self._stream.flush()

    def line(self, seconds: float) -> str:
        """The text of the line after so many seconds."""
        done = self._finished + sum(self._fractions.values())
        left = f"{format_duration(seconds * (self._total - done) / done)} left" if done else "?"
        words = []
        if self._total > 1:
            rate = self._finished / seconds
            words = [f"{self._bar(done / self._total)} {self._finished}/{self._total}", f"{rate:.3g} files/s"]
        return "  ".join([*words, left, self._current()])

    def _current(self) -> str:
        """The file that has been running for longest, with its own bar if it reports progress."""
        if not self._fractions:
            return ""
        path, fraction = next(iter(self._fractions.items()))
        bar = f"{self._bar(fraction)} {fraction:.0%} " if 0 < fraction < 1 else ""
        return bar + printable(path)

    def _bar(self, fraction: float) -> str:
        full = round(min(1.0, fraction) * _BAR_COLUMNS)
        return self._bar_characters[0] * full + self._bar_characters[1] * (_BAR_COLUMNS - full)
