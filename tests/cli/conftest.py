"""Fixtures of the command's tests: working directories and sample files."""

import gc
import signal
import tempfile
from pathlib import Path

import pytest

from tests.samples import SAMPLES


@pytest.fixture
def collected():
    """Closes files left open by a refusal before the next test starts."""
    yield
    gc.collect()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working directory; afterwards SIGTERM has its former handler."""
    monkeypatch.chdir(tmp_path)
    before = signal.getsignal(signal.SIGTERM)
    yield tmp_path
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def sample(folder):
    """A function that copies a sample file into the working directory and returns its name."""

    def copy(name, to=None):
        target = folder / (to or name)
        target.write_bytes((SAMPLES / name).read_bytes())
        return target.name

    return copy


@pytest.fixture
def public(monkeypatch):
    """A working directory that all users may enter and write to; pytest's own are private."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        monkeypatch.chdir(name)
        yield Path(name)
        monkeypatch.undo()
