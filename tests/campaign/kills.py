"""Sends signals to runs and batches at random moments, and checks the files that they leave behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Protocol

import nibabel as nib
import numpy as np
import tifffile
from PIL import Image

from tests.process_helpers import INTERRUPTED, TEMPORARY, command, environment

_SIGNALS = {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130}  # and the exit codes
_JOBS = ("1", "2", "3")
_END_SECONDS = 30.0
_STARTING = ("Fatal Python error: init_", "Could not import runpy module")  # Python's own start was interrupted


class _Tally(Protocol):
    def add(
        self, kind: str, faults: list[str], reproduce: Callable[[Path], object] | None, record: dict[str, object]
    ) -> None: ...


def run(count: int, seed: int, tally: _Tally) -> None:
    """Kill `count` runs, half of them of a batch and half of a single file."""
    if not count:
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        works = {"batch": folder / "batch", "file": folder / "file"}
        _make_batch(works["batch"])
        _make_file(works["file"])
        expected = {kind: _undisturbed(place) for kind, place in works.items()}
        for number in range(count):
            random = Random(f"{seed} {number}")
            kind = ("batch", "file")[number % 2]
            sent = random.choice(sorted(_SIGNALS))
            shutil.rmtree(works[kind] / "out", ignore_errors=True)
            found, err = _killed(works[kind], sent, random, *expected[kind])
            record = {"seed": seed, "number": number, "err": err}
            tally.add(f"kill {kind} by {signal.Signals(sent).name}", found, None, record)


def _make_batch(folder: Path) -> None:
    inputs = folder / "in"
    inputs.mkdir(parents=True)
    random = np.random.default_rng(0)
    for number in range(3):
        Image.fromarray(random.integers(0, 256, (90, 120, 3), np.uint8)).save(inputs / f"{number}.png")
        np.save(inputs / f"{number}.npy", random.integers(0, 256, (9, 90, 120), np.uint8))
        tifffile.imwrite(
            inputs / f"{number}.tif", random.integers(0, 256, (5, 90, 120), np.uint8), photometric="minisblack"
        )
        nib.save(nib.Nifti1Image(random.random((30, 30, 20)).astype("f4"), np.eye(4)), inputs / f"{number}.nii.gz")
        nib.save(nib.Nifti1Pair(random.random((30, 30, 20)).astype("f4"), np.eye(4)), inputs / f"pair{number}.img")


def _make_file(folder: Path) -> None:
    inputs = folder / "in"
    inputs.mkdir(parents=True)
    image = nib.Nifti1Image(np.random.default_rng(0).random((60, 80, 70)).astype("f4"), np.eye(4))
    nib.save(image, inputs / "volume.nii")


def _start(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    line = command("-r", "in", "-o", "out/", "--scale", "2", "--no-provenance", *arguments)
    env = environment(PYTHONWARNINGS=INTERRUPTED)
    return subprocess.Popen(
        line, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


def _undisturbed(folder: Path) -> tuple[dict[str, bytes], dict[str, bytes], float]:
    """The inputs, the outputs of an undisturbed run, and its duration in seconds."""
    inputs = _contents(folder / "in")
    started = time.monotonic()
    process = _start(folder, "-j", "1")
    _, err = process.communicate()
    if process.returncode:
        raise RuntimeError(err.decode())
    return inputs, _contents(folder / "out"), time.monotonic() - started


def _killed(
    folder: Path,
    sent: signal.Signals,
    random: Random,
    inputs: dict[str, bytes],
    outputs: dict[str, bytes],
    seconds: float,
) -> tuple[list[str], str]:
    """The faults of a run that is killed after a random time and then completed, and its error output."""
    found = []
    process = _start(folder, "-j", random.choice(_JOBS))
    time.sleep(random.random() * seconds)
    (os.killpg if random.random() < 0.5 else os.kill)(process.pid, sent)
    try:
        _, err = process.communicate(timeout=_END_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        _, err = process.communicate()
        found.append("does not exit")
    text = err.decode(errors="replace")
    # What Python prints and returns if the signal interrupts its own start does not count.
    if process.returncode not in (0, _SIGNALS[sent], -sent) and not text.startswith(_STARTING):
        found.append(f"exit code {process.returncode}")
    if ("Traceback" in text and ", in run\n" in text) or "This is a bug" in text:
        found.append("a bug")
    if _is_alive(process.pid):
        found.append("a worker still runs")
    left = _contents(folder / "out")
    temporary = [name for name in left if TEMPORARY.fullmatch(name)]
    if temporary and sent != signal.SIGKILL:
        found.append("temporary files")
    if any(data != outputs.get(name) for name, data in left.items() if name not in temporary):
        found.append("an incomplete output")
    if _contents(folder / "in") != inputs:
        found.append("input changed")
    return found + _completed(folder, outputs), text


def _is_alive(group: int) -> bool:
    """Whether a process of the group is still running after a short time."""
    for _ in range(100):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return False
        time.sleep(0.02)
    return True


def _completed(folder: Path, outputs: dict[str, bytes]) -> list[str]:
    """The faults of a second run, which completes the work of the killed one."""
    process = _start(folder, "-j", "2", "--skip-existing")
    process.communicate()
    whole = {name: data for name, data in _contents(folder / "out").items() if not TEMPORARY.fullmatch(name)}
    return ["the next run fails"] * bool(process.returncode) + ["the next run differs"] * (whole != outputs)
