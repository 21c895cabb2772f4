"""Messages of other libraries: hidden in the processes of the command, which prints its own, and nowhere else.

A program that imports this package keeps its loggers as they are.
"""

from __future__ import annotations

import sys
import warnings

_is_command = False


def hide_library_messages() -> None:
    """Hide them in this process, which is the command's or a worker's; to be called before files are read."""
    global _is_command
    _is_command = True
    if not sys.warnoptions:
        warnings.simplefilter("ignore")


def silence(logger_name: str) -> None:
    """Keep the messages of a library that has just been imported off the terminal, if this process is the command's."""
    if _is_command:
        import logging  # those libraries have loaded it already

        logger = logging.getLogger(logger_name)
        logger.handlers = [logging.NullHandler()]
        logger.propagate = False
