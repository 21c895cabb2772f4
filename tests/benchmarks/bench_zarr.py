"""Zarr beside zarr-python, ome-zarr-py and ngff-zarr: ``python tests/benchmarks/bench_zarr.py [--only WORD]``.

A volume of uint16 in chunks of 64³ samples is enlarged, reduced and given a pyramid. ``zarr-python`` reads the input
and writes the finished output, which nobody can do in less time with its codecs. All programs of a row run in turn,
each as a process of its own. Our output is verified first, by another evaluation of the formulas. The time of peers is
without their imports, ours is that of the whole command. The table shows medians of wall time, our time over it,
medians of processor time, and the peak of resident memory. Programs that are not installed are left out.
"""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import zarr

_CHUNK = 64
_HEAD = """
import resource, time, warnings
warnings.simplefilter("ignore")
import numpy, zarr
started = time.perf_counter(), time.process_time()
"""
_TAIL = "\nprint(time.perf_counter() - started[0], time.process_time() - started[1])\n"
_READ_AND_WRITE = """
import itertools
def slabs(array, depth):
    return [slice(start, start + depth) for start in range(0, array.shape[0], depth)]
source = zarr.open_array("in.zarr", mode="r")
for part in slabs(source, 64):
    source[part]
for level in LEVELS:
    values = numpy.load(level + ".npy", mmap_mode="r")
    out = zarr.create_array("peer.zarr/" + level, shape=values.shape, chunks=(64,) * 3, dtype="u2", overwrite=True)
    for part in slabs(out, 64):
        out[part] = values[part]
"""
_WATCH = """
import resource, subprocess, sys, time
started = time.perf_counter()
code = subprocess.call(sys.argv[1:])
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(time.perf_counter() - started, used.ru_utime + used.ru_stime, used.ru_maxrss)
sys.exit(code)
"""
_OME_ZARR_PY = """
import dask.array
from ome_zarr.writer import write_image
started = time.perf_counter(), time.process_time()
factors = [dict.fromkeys("zyx", 2 ** n) for n in range(1, COUNT)]
write_image(dask.array.from_zarr("in.zarr"), zarr.open_group("peer.zarr", mode="w"), scale_factors=factors, axes="zyx",
    storage_options={"chunks": (64,) * 3})
"""
_OME_ZARR_RESIZE = """
import dask.array
from ome_zarr.dask_utils import resize
started = time.perf_counter(), time.process_time()
x = dask.array.from_zarr("in.zarr")
y = resize(x, tuple(int(n * 0.37) for n in x.shape), order=1, anti_aliasing=True, preserve_range=True)
dask.array.to_zarr(y.astype("u2").rechunk((64,) * 3), "peer.zarr", overwrite=True)
"""
_NGFF_ZARR = """
import dask.array, ngff_zarr
started = time.perf_counter(), time.process_time()
image = ngff_zarr.to_ngff_image(dask.array.from_zarr("in.zarr"), dims=list("zyx"))
levels = ngff_zarr.to_multiscales(image, [2 ** n for n in range(1, COUNT)], chunks=64)
ngff_zarr.to_ngff_zarr("peer.zarr", levels, overwrite=True)
"""


class Row(NamedTuple):
    """A piece of work.

    Attributes:
        arguments: of our command.
        output: its name.
        arrays: those of the output.
        peers: scripts by the name of the program.
    """

    arguments: str
    output: str
    arrays: tuple[str, ...]
    peers: dict[str, str]


def rows(levels: int) -> dict[str, Row]:
    """The works by their names."""
    pyramid = {"ome-zarr-py": _OME_ZARR_PY, "ngff-zarr": _NGFF_ZARR}
    return {
        "×2 linear": Row("--scale 2", "out.zarr", ("",), {}),
        "×0.37 antialiased": Row("--scale 0.37 --antialias", "out.zarr", ("",), {"ome-zarr-py": _OME_ZARR_RESIZE}),
        "pyramid": Row("--scale 1", "out.ome.zarr", tuple(str(n) for n in range(levels)), pyramid),
    }


def make_input(folder: Path, edge: int) -> None:
    """A volume of smooth structures with noise, which compresses to about 60 %."""
    random = np.random.default_rng(0)
    array = zarr.create_array(
        str(folder / "in.zarr"), shape=(edge,) * 3, chunks=(_CHUNK,) * 3, dtype="u2", dimension_names=list("zyx")
    )
    for start in range(0, edge, _CHUNK):
        coarse = random.normal(2000, 600, (_CHUNK // 16, edge // 16, edge // 16)).astype("f4")
        values = coarse.repeat(16, 0).repeat(16, 1).repeat(16, 2)
        values += 8 * random.standard_normal(values.shape, "f4")
        array[start : start + _CHUNK] = values.clip(0, 65535).astype("u2")


def save_level(folder: Path, output: str, level: str) -> None:
    """Copy an array of our output to a file of NumPy, slab by slab."""
    array = zarr.open_array(str(folder / output), path=level, mode="r")
    copy = np.lib.format.open_memmap(folder / f"{level}.npy", "w+", array.dtype, array.shape)
    for start in range(0, array.shape[0], _CHUNK):
        copy[start : start + _CHUNK] = array[start : start + _CHUNK]


def run(command: list[str], folder: Path) -> tuple[float, float, float]:
    """Seconds of wall time and of processor time, as the command prints them or else of the process; its peak in MB."""
    done = subprocess.run(
        [sys.executable, "-c", _WATCH, *command], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{command}: {done.stderr[-2000:]}")
    *printed, wall, processor, kilobytes = map(float, done.stdout.split())
    return printed[0] if printed else wall, printed[1] if printed else processor, kilobytes / 1000


def measure(name: str, row: Row, folder: Path, rounds: int) -> None:
    """Run a row and print it."""
    ours = [sys.executable, "-m", "upsample_cli", "in.zarr", *row.arguments.split(), "-o", row.output, "--overwrite"]
    run([*ours, "-q", "--verify"], folder)
    for level in row.arrays:
        save_level(folder, row.output, level)
    scripts = {"zarr-python": f"LEVELS = {row.arrays!r}\n{_READ_AND_WRITE}"}
    for peer, script in row.peers.items():
        if importlib.util.find_spec(peer.removesuffix("-py").replace("-", "_")) is not None:
            scripts[peer] = f"COUNT = {len(row.arrays)}\n{script}"
    commands = {"upsample": [*ours, "-q"]}
    commands |= {peer: [sys.executable, "-c", _HEAD + script + _TAIL] for peer, script in scripts.items()}
    measured: dict[str, list[tuple[float, float, float]]] = {program: [] for program in commands}
    for _ in range(rounds):
        for program, command in commands.items():
            measured[program].append(run(command, folder))
            shutil.rmtree(folder / "peer.zarr", ignore_errors=True)
    own = statistics.median(wall for wall, _, _ in measured["upsample"])
    for program, values in measured.items():
        wall, processor, _ = map(statistics.median, zip(*values, strict=True))
        peak = max(value[2] for value in values)
        print(f"| {name} | {program} | {wall:.1f} | {own / wall:.2f} | {processor:.1f} | {peak:.0f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--edge", type=int, default=512, help="of the volume, in samples")
    parser.add_argument("--only", default="", help="rows whose name holds this word")
    parser.add_argument("--folder", help="for the files, which need about 6 GB; a folder in memory leaves the disk out")
    options = parser.parse_args()
    levels = max(1, (options.edge // _CHUNK).bit_length())
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        make_input(folder, options.edge)
        print("| work | program | s | ours ÷ it | CPU s | MB |\n|---|---|---|---|---|---|")
        for work, row in rows(levels).items():
            if options.only in work:
                measure(work, row, folder, options.rounds)


if __name__ == "__main__":
    main()
