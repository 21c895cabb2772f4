"""Signals are heard in bounded time, even while a library's function runs that nothing interrupts."""

import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from tests.process_helpers import environment

pytestmark = pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="signals are those of POSIX")

# The command with an encoder that works for minutes; it is told by a line when that begins.
PROGRAM = """
import hashlib, sys
from upsample_cli.__main__ import run
from upsample_cli.formats.npy import NpySink
from upsample_cli.runtime import signals

def write(self, paths, arrays):
    print(paths[0].name, flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)

signals._DELAY_SECONDS = 0.1
NpySink.write = write
sys.argv = ["upsample", "--scale", "2", "-o", "out.npy", *sys.argv[1:]]
run()
"""


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_during_a_long_call(tmp_path, name, code):
    """The temporary file and the copy of standard input are removed."""
    assert _ended(tmp_path, name, "-") == code
    assert [path.name for path in tmp_path.iterdir()] == ["in.npy"]


def test_the_list_of_failed_inputs_is_written_at_a_forced_end(tmp_path):
    assert _ended(tmp_path, "SIGINT", "in.npy", "--failed-to", "failed.txt") == 130
    assert sorted(path.name for path in tmp_path.iterdir()) == ["failed.txt", "in.npy"]
    assert (tmp_path / "failed.txt").read_text() == "in.npy\n"


FINALIZER = """
import os, signal
from upsample_cli.runtime import signals

class Connection:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(1000):  # the handler runs before this ends
            pass

signals.install_handlers()
Connection()
if not os.fork():
    signals.install_worker_handlers()
    signals.raise_if_signalled()
    os._exit(7)
print(os.waitpid(-1, 0)[1] >> 8)
try:
    signals.raise_if_signalled()
except KeyboardInterrupt:
    print("raised again")
"""


def test_a_signal_during_a_finalizer_is_not_lost_not_printed_and_not_inherited():
    run = subprocess.run(
        [sys.executable, "-c", FINALIZER], capture_output=True, text=True, env=environment(), timeout=30
    )
    assert (run.stdout, run.stderr) == ("7\nraised again\n", "")


def _ended(tmp_path, name, *arguments):
    """The exit code of a command that is signalled during a long call."""
    np.save(tmp_path / "in.npy", np.zeros((3, 4), np.uint8))
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    settings = {"cwd": tmp_path, "env": environment(TMPDIR=str(tmp_path))}
    with (tmp_path / "in.npy").open("rb") as file:
        process = subprocess.Popen([sys.executable, "-c", PROGRAM, *arguments], stdin=file, **streams, **settings)
    try:
        temporary = process.stdout.readline().strip()
        assert (tmp_path / temporary).exists()
        began = time.monotonic()
        process.send_signal(getattr(signal, name))
        _, err = process.communicate(timeout=30)
        assert time.monotonic() - began < 5
    finally:
        process.kill()
        process.communicate()
    assert "Traceback" not in err
    return process.returncode
