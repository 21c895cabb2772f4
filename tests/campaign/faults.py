"""The faults of a command that has ended, by name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

CPU_SECONDS = 10.0  # limit for a command on a small file
PEAK_BYTES = 500_000_000  # limit for the whole process, if --max-memory is 300 MB
_LARGE_BYTES = 50_000_000  # larger files are sparse
_CODES = (0, 2, 3, 4, 5)
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_KNOWN = re.compile(r"(Error|Warning): |(in|out)\.\S+ → |  (axis|samples|mode|output|memory)\b|\d+ .*(done|planned), ")
_PYTHON = re.compile(
    r"Traceback|\b[A-Z]\w+(Error|Exception|Warning)\b|NoneType|object has no|object is not|\bargument\b|\bkeyword\b"
    r"|not subscriptable|out of range|unpack|a buffer of|not enough values|too many values|codec can't|invalid literal"
    r"|base 10|\bfloat\(\)|<\w[\w.]* .*>|\bb'|\bndarray\b|\bnumpy\b|cannot reshape|truth value|\bdtype\(|\bstruct\b"
    r"|division by zero|NaN to integer|unhashable|\bdict\b|cannot convert|operands could not|bytes-like|must be real"
    r"|\bNone\b|Exceeds the limit|TiffFile|TiffPage|\bself\.|: \(|\(\)|(?<!DQT )index \d+|assert|unsupported operand"
    r"|\bstr\b"
)
_RESUMABLE = re.compile(
    r"\.upsample-[0-9a-f-]+\.partial(\.lock)?"
)  # unfinished Zarr outputs, which a next run continues

Identity = tuple[int, int, bytes]


class Ended(NamedTuple):
    """How a command ended.

    Attributes:
        code: its exit code.
        out, err: the text that it printed.
        cpu: seconds of CPU time.
        peak: peak memory in bytes.
    """

    code: int
    out: str
    err: str
    cpu: float
    peak: int


def faults(ended: Ended, folder: Path, before: dict[str, Identity], output: str) -> list[str]:
    """Names of the faults of a command that ran in `folder`, which contained the files `before`."""
    return [*_message_faults(ended), *_file_faults(ended, folder, before, output), *_resource_faults(ended)]


def _message_faults(ended: Ended) -> list[str]:
    found = []
    if ended.code == 1 or "This is a bug" in ended.err:
        found.append("a bug")
    elif ended.code not in _CODES:
        found.append(f"exit code {ended.code}")
    if _CONTROL.search(ended.err):
        found.append("control characters")
    lines = ended.err.splitlines()
    if any(not _KNOWN.match(line) for line in lines):
        found.append("unknown line")
    if ended.code and sum(line.startswith("Error: ") for line in lines) != 1:
        found.append("not exactly one error line")
    if any(_PYTHON.search(line) for line in lines):
        found.append("internals of Python in a message")
    if "verif" in ended.err:
        found.append("verification")
    return found


def _file_faults(ended: Ended, folder: Path, before: dict[str, Identity], output: str) -> list[str]:
    after = {path.name: path for path in folder.iterdir()}
    found = []
    if any(name not in after or identity(after[name]) != known for name, known in before.items()):
        found.append("input changed")
    written = after.keys() - before.keys()
    allowed = {output} | (
        {output.replace(".img", ".hdr"), output.replace(".hdr", ".img")} if ended.code == 0 else set()
    )
    written = {name for name in written if not (output.endswith(".zarr") and _RESUMABLE.fullmatch(name))}
    if written - allowed:
        found.append("leftover files")
    if ended.code and written & allowed:
        found.append("output despite an error")
    return found


def identity(path: Path) -> Identity:
    """The size, the time and, unless it is large, the content of a file."""
    if path.is_dir():
        inside = (below.relative_to(path) for below in sorted(path.rglob("*")))
        return 0, 0, "\n".join(f"{below} {_link_identity(path / below)}" for below in inside).encode()
    status = path.stat()
    return status.st_size, status.st_mtime_ns, path.read_bytes() if status.st_size < _LARGE_BYTES else b""


def _link_identity(path: Path) -> str:
    status = path.lstat()
    return f"{status.st_mode} {status.st_size} {status.st_mtime_ns}"


def _resource_faults(ended: Ended) -> list[str]:
    found = []
    if ended.cpu > CPU_SECONDS:
        found.append("time")
    if ended.peak > PEAK_BYTES:
        found.append("memory")
    return found
