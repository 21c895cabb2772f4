"""Whole batches beside peers: ``python tests/benchmarks/bench_batch.py [--rounds 5] [--only WORD] [--folder DIR]``.

Every row makes its inputs, runs each program once and checks that what it wrote agrees with ours, then runs all of them
in turn, round after round, each as a process of its own that uses two others. The table shows medians: seconds of wall
time, seconds of processor time of all processes together, the largest peak of resident memory among them, and the wall
time over ours beside the goal. Peers that are not installed are left out.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from bench_files import Cost, measure, photograph, read_picture, read_volume
from PIL import Image

_PROCESSES = 2
_DISTINCT = 50  # inputs; more of them are copies

_PEERS = {
    "OpenCV": (
        "cv2",
        "def one(name):\n"
        "    import cv2\n"
        "    cv2.setNumThreads(1)\n"
        "    cv2.imwrite(f'{B}/{name}', cv2.resize(cv2.imread(f'{A}/{name}', -1), None, fx=2, fy=2))\n",
    ),
    "Pillow": (
        "PIL",
        "def one(name):\n"
        "    from PIL import Image\n"
        "    i = Image.open(f'{A}/{name}')\n"
        "    j = i.resize((2 * i.width, 2 * i.height), Image.Resampling.BILINEAR)\n"
        "    j.save(f'{B}/{name}', **({'quality': 95} if name.endswith('.jpg') else {}))\n",
    ),
    "SimpleITK": (
        "SimpleITK",
        "def one(name):\n"
        "    import SimpleITK as s\n"
        "    s.ProcessObject.SetGlobalDefaultNumberOfThreads(1)\n"
        "    i = s.ReadImage(f'{A}/{name}')\n"
        "    n = i.GetDimension()\n"
        "    f = s.ResampleImageFilter()\n"
        "    f.SetSize([2 * k for k in i.GetSize()])\n"
        "    f.SetOutputSpacing([p / 2 for p in i.GetSpacing()])\n"
        "    f.SetOutputOrigin(i.TransformContinuousIndexToPhysicalPoint([-0.25] * n))\n"
        "    f.SetOutputDirection(i.GetDirection())\n"
        "    f.SetUseNearestNeighborExtrapolator(True)\n"
        "    s.WriteImage(f.Execute(i), f'{B}/{name}')\n",
    ),
}
_MAIN = """
import os, sys
from multiprocessing import Pool
if __name__ == "__main__":
    with Pool(PROCESSES) as pool:
        pool.map(one, sorted(os.listdir(A)))
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One batch.

    Attributes:
        name: what the table calls it.
        count: the number of inputs.
        suffix: of their names.
        make: writes the input of a number.
        read: gives the samples of an output.
        goals: the peers, and which part of each one's time is aimed at, or None.
        options: of the command, besides.
    """

    name: str
    count: int
    suffix: str
    make: Callable[[Path, int], None]
    read: Callable[[Path], np.ndarray]
    goals: dict[str, float | None]
    options: tuple[str, ...] = ()


def picture(side: int, **how: int) -> Callable[[Path, int], None]:
    whole = photograph(side, side)
    return lambda path, number: Image.fromarray(np.roll(whole, 7 * number, (0, 1))).save(path, **how)


def volume(path: Path, number: int) -> None:
    z, y, x = np.meshgrid(*[np.linspace(-1, 1, 64)] * 3, indexing="ij")
    noise = np.random.default_rng(number).normal(0, 20, (64, 64, 64))
    head = 1000 * np.exp(-2 * (x * x + y * y + z * z)) + noise
    nib.save(nib.Nifti1Image(head.clip(0).astype(np.int16), np.diag([2.0, 2, 2, 1])), path)


_TINY = picture(16)
_PNG, _JPEG = picture(512), picture(512, quality=95)  # the quality of OpenCV, so that all write as much
ROWS = (
    Row("100 PNG 512² RGB", 100, ".png", _PNG, read_picture, {"OpenCV": 0.8}),
    Row("100 JPEG 512² RGB", 100, ".jpg", _JPEG, read_picture, {"OpenCV": 1.2, "Pillow": None}),
    Row("1,000 JPEG 512² RGB", 1000, ".jpg", _JPEG, read_picture, {"OpenCV": 0.9, "Pillow": None}),
    Row("100 NIfTI 64³ int16, gzipped", 100, ".nii.gz", volume, read_volume, {"SimpleITK": 0.3}),
    Row("1,000 PNG 16² RGB", 1000, ".png", _TINY, read_picture, {"OpenCV": None}),
    Row("10,000 PNG 16² RGB", 10_000, ".png", _TINY, read_picture, {"OpenCV": None}),
    Row("1,000 PNG 16² RGB, planned only", 1000, ".png", _TINY, read_picture, {}, ("--dry-run",)),
)


def command(name: str, source: Path, output: Path, options: tuple[str, ...]) -> list[str] | None:
    """How a program is run, or None where it is not installed."""
    if name == "upsample":
        start = [sys.executable, "-m", "upsample_cli", "-r", str(source), "--scale", "2", "-o", f"{output}/"]
        return [*start, "-j", str(_PROCESSES), "-q", *options]
    module, script = _PEERS[name]
    if importlib.util.find_spec(module) is None:
        return None
    return [sys.executable, "-c", f"A, B, PROCESSES = {str(source)!r}, {str(output)!r}, {_PROCESSES}\n{script}{_MAIN}"]


def make_inputs(row: Row, folder: Path) -> None:
    folder.mkdir()
    for number in range(min(row.count, _DISTINCT)):
        row.make(folder / f"{number:05}{row.suffix}", number)
    for number in range(_DISTINCT, row.count):
        first = folder / f"{number % _DISTINCT:05}{row.suffix}"
        shutil.copyfile(first, folder / f"{number:05}{row.suffix}")


def check(name: str, row: Row, ours: Path, theirs: Path) -> None:
    """Assert that all outputs are there, and that some agree with ours away from the border."""
    names = sorted(path.name for path in ours.iterdir())
    assert len(names) == row.count, f"upsample wrote {len(names)} files"
    assert sorted(path.name for path in theirs.iterdir()) == names, f"{name} wrote other files"
    for file in names[:: max(1, row.count // 10)]:
        a, b = (row.read(folder / file).astype(np.float64) for folder in (ours, theirs))
        assert a.shape == b.shape, f"{name}: {file} has the shape {b.shape} where ours has {a.shape}"
        inner = tuple(slice(4, -4) if size > 16 else slice(None) for size in a.shape)
        assert np.abs(a - b)[inner].mean() < 3, f"{name}: {file} is another picture"


def bench(row: Row, folder: Path, rounds: int) -> Iterator[str]:
    source = folder / "in"
    make_inputs(row, source)
    outputs = {name: folder / name for name in ("upsample", *row.goals)}
    commands = {n: line for n, out in outputs.items() if (line := command(n, source, out, row.options)) is not None}
    costs = {name: Cost() for name in commands}
    for turn in range(rounds + 1):
        for name, line in commands.items():
            shutil.rmtree(outputs[name], ignore_errors=True)
            outputs[name].mkdir()
            cost = measure(line)
            if turn == 0:  # which only warms the caches, and is looked at
                if name != "upsample":
                    check(name, row, outputs["upsample"], outputs[name])
                continue
            for values, value in zip((costs[name].wall, costs[name].cpu, costs[name].peak), cost, strict=True):
                values.append(value)
    ours = statistics.median(costs["upsample"].wall)
    yield f"\n{row.name}, ×2: {ours / row.count * 1000:.2f} ms for each file"
    for name, cost in costs.items():
        wall, cpu, peak = (statistics.median(values) for values in (cost.wall, cost.cpu, cost.peak))
        size = sum(path.stat().st_size for path in outputs[name].iterdir()) / 1e6
        goal = row.goals.get(name)
        ratio = f"ours is {ours / wall:.2f}× of it" if name != "upsample" else ""
        ratio += f" (goal {goal})" if goal else ""
        yield f"  {name:10} {wall:8.3f} s  {cpu:8.3f} s cpu  {peak / 1e6:6.0f} MB peak  {size:8.1f} MB written  {ratio}"
    for path in (source, *outputs.values()):
        shutil.rmtree(path, ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="only rows whose name contains this")
    parser.add_argument("--folder", type=Path, help="where files are made; the default is a temporary directory")
    options = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for row in ROWS:
            if options.only in row.name:
                for line in bench(row, Path(folder), options.rounds):
                    print(line, flush=True)


if __name__ == "__main__":
    main()
