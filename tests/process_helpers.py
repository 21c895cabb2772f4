"""Run the command as a process of its own: its arguments, environment and limits."""

import os
import re
import sys
from pathlib import Path

import numpy as np

PACKAGE = Path(__file__).parents[1]
TEMPORARY = re.compile(r"\.upsample-[0-9a-f]+\.tmp(\..*)?")
# Files left open are no error here: a signal may arrive between the opening of a file and its ``with`` statement.
INTERRUPTED = "default,ignore::ResourceWarning"


def command(*arguments, python=()):
    """The command line that runs `upsample` with `arguments`, in a Python with the options `python`."""
    return [sys.executable, *python, "-m", "upsample_cli", *map(os.fspath, map(str_or_bytes, arguments))]


def str_or_bytes(argument):
    return argument if isinstance(argument, (str, bytes)) else str(argument)


def environment(**extra):
    """The environment of the tests, in UTF-8, in which the package can be imported from any directory."""
    known = {"PYTHONPATH": os.pathsep.join([str(PACKAGE), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)}
    return os.environ | known | {"PYTHONWARNINGS": "default", "PYTHONUTF8": "1"} | extra


def sparse(path, shape):
    """Write a sparse `.npy` file of zeros, which takes no space on the disk."""
    with path.open("wb") as file:
        described = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, described)
        file.truncate(file.tell() + int(np.prod(shape)))


def limit_file_size(size):
    """Limit files to `size` bytes, as a full disk does: a function for `preexec_fn`."""
    import resource  # POSIX only

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit
