"""A process that runs cases one after another: `python -m tests.campaign.child SEED LIMIT FOLDER`.

It reads lines such as ``damaged 17`` and answers each with a line of JSON. The command runs in this process, whose
memory is limited; a case that takes too much CPU time ends the process.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, TextIO

from tests.campaign import cases
from tests.campaign.faults import CPU_SECONDS, Ended, faults, identity

_SPARE_SECONDS = 2.0  # CPU time beyond the limit after which the process is ended


def main() -> None:
    """Answer the lines of standard input."""
    seed, limit, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    streams = [_redirected(number) for number in (1, 2)]
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    for line in sys.stdin:
        kind, number = line.split()
        answers.write(json.dumps(_answer(getattr(cases, kind)(seed, int(number)), folder, streams)) + "\n")


def _redirected(number: int) -> TextIO:
    """A file that receives everything that this process and its libraries write to a standard stream."""
    stream = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace", newline="\n")  # noqa: SIM115 kept open
    os.dup2(stream.fileno(), number)
    return stream


def _answer(case: cases.Case, folder: Path, streams: list[TextIO]) -> dict[str, Any]:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    case.make(folder)
    before = {path.name: identity(path) for path in folder.iterdir()}
    ended = _run(case.arguments, folder, streams)
    found = faults(ended, folder, before, case.output)
    refused = ""
    if (folder / case.output).exists():
        from tests.campaign.readers import refusal

        refused = refusal(folder / case.output)
    return ended._asdict() | {
        "kind": case.kind,
        "faults": found + ["another reader refuses the output"] * bool(refused),
        "refused": refused,
    }


def _run(arguments: list[str], folder: Path, streams: list[TextIO]) -> Ended:
    from upsample_cli.cli.command import main as command

    for number, stream in enumerate(streams, 1):
        os.lseek(number, 0, os.SEEK_SET)
        stream.truncate(0)
    os.chdir(folder)
    Path("/proc/self/clear_refs").write_text("5")
    signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS + _SPARE_SECONDS)
    started = time.process_time()
    code: object = 0
    try:
        command(arguments, prog_name="upsample")
    except SystemExit as end:
        code = end.code
    signal.setitimer(signal.ITIMER_PROF, 0)
    seconds = time.process_time() - started
    os.chdir("/")
    sys.stdout.flush()
    sys.stderr.flush()
    texts = []
    for stream in streams:
        stream.seek(0)
        texts.append(stream.read(100_000))
    return Ended(int(code or 0), *texts, seconds, _peak_bytes())


def _peak_bytes() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


if __name__ == "__main__":
    main()
