"""Whole commands beside peers: ``python tests/benchmarks/bench_files.py [--rounds 5] [--only WORD] [--folder DIR]``.

Every row makes its input, runs each program once and checks that what it wrote agrees with ours, then runs all of them
in turn, round after round, each as a process of its own. The table shows medians: seconds of wall time, seconds of
processor time, the peak of resident memory, and the wall time over ours. Programs that are not installed are left out.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import nibabel as nib
import numpy as np
import tifffile
from PIL import Image

_SCRIPTS = {
    "Pillow": (
        "PIL",
        "from PIL import Image; i = Image.open(A); "
        "i.resize((2 * i.width, 2 * i.height), Image.Resampling.BILINEAR).save(B)",
    ),
    "OpenCV": ("cv2", "import cv2; cv2.imwrite(B, cv2.resize(cv2.imread(A, -1), None, fx=2, fy=2))"),
    "torch": (
        "torch",
        "import torch, numpy, tifffile; x = tifffile.imread(A); "
        "y = torch.nn.functional.interpolate(torch.from_numpy(x.astype('f4'))[None, None], scale_factor=2, "
        "mode='trilinear' if x.ndim == 3 else 'bilinear')[0, 0]; "
        "tifffile.imwrite(B, y.round().numpy().astype(x.dtype), photometric='minisblack')",
    ),
    "SimpleITK": (
        "SimpleITK",
        "import SimpleITK as s; i = s.ReadImage(A); n = i.GetDimension(); f = s.ResampleImageFilter(); "
        "f.SetSize([2 * k for k in i.GetSize()]); f.SetOutputSpacing([p / 2 for p in i.GetSpacing()]); "
        "f.SetOutputOrigin(i.TransformContinuousIndexToPhysicalPoint([-0.25] * n)); "
        "f.SetOutputDirection(i.GetDirection()); f.SetUseNearestNeighborExtrapolator(True); "
        "s.WriteImage(f.Execute(i), B)",
    ),
    "nilearn": (
        "nilearn",
        "import nibabel, numpy; from nilearn.image import resample_img; i = nibabel.load(A); "
        "a = i.affine @ numpy.diag([0.5, 0.5, 0.5, 1]); a[:3, 3] -= i.affine[:3, :3] @ [0.25, 0.25, 0.25]; "
        "resample_img(i, a, [2 * k for k in i.shape], 'linear', force_resample=True, copy_header=True).to_filename(B)",
    ),
    "bare imports": ("PIL", "import numpy, click, PIL.Image"),
}
_PROGRAMS = {
    "vips": ["vips", "resize", "{a}", "{b}", "2", "--kernel", "linear"],
    "ImageMagick": ["convert", "{a}", "-filter", "Triangle", "-resize", "200%", "{b}"],
    "GraphicsMagick": ["gm", "convert", "{a}", "-filter", "Triangle", "-resize", "200%", "{b}"],
    "mrgrid": [
        "mrgrid",
        "{a}",
        "regrid",
        "-scale",
        "2",
        "-interp",
        "linear",
        "{b}",
        "-force",
        "-quiet",
        "-nthreads",
        "2",
    ],
}


_LAUNCHER = """
import os, sys, time
began = time.perf_counter()
_, status, usage = os.wait4(os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ), 0)
print(time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)
sys.exit(status != 0)
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One job.

    Attributes:
        name: what the table calls it.
        file: the name of the input.
        make: writes it.
        peers: the programs that can do the same.
        read: gives the samples of an output.
        tolerance: how far peers may be off on average, in levels, away from the border.
    """

    name: str
    file: str
    make: Callable[[Path], None]
    peers: tuple[str, ...]
    read: Callable[[Path], np.ndarray]
    tolerance: float


@dataclass(slots=True)
class Cost:
    """What the runs of one program cost: seconds of wall and processor time, and bytes of memory."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    peak: list[int] = field(default_factory=list)


def photograph(height: int, width: int) -> np.ndarray:
    """Smooth colours with a little noise, as cameras see them."""
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (height // 16 + 2, width // 16 + 2, 3), np.uint8))
    smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), np.float32)
    return (smooth + rng.normal(0, 3, smooth.shape)).clip(0, 255).astype(np.uint8)


def picture(side: int) -> Callable[[Path], None]:
    return lambda path: Image.fromarray(photograph(side, side)).save(path)


def brain(path: Path) -> None:
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in (189, 233, 197)), indexing="ij")
    radius = x * x + y * y + z * z
    noise = np.random.default_rng(0).normal(0, 20, radius.shape)
    head = (1000 * np.exp(-2 * radius) + noise).clip(0).astype(np.int16) * (radius < 0.9)
    nib.save(nib.Nifti1Image(head.T.astype(np.int16), np.diag([1.0, 1, 1, 1])), path)


def stack(planes: int) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        plane = photograph(1024, 1024)[..., 0].astype(np.uint16) * 200
        pages = (np.roll(plane, 3 * number, 1) for number in range(planes))
        shape = (planes, 1024, 1024)
        big = planes * plane.nbytes > 2**32
        tifffile.imwrite(path, pages, shape=shape, dtype=plane.dtype, photometric="minisblack", bigtiff=big)

    return make


def large(path: Path) -> None:
    page = np.tile(photograph(1024, 1024)[..., 0].astype(np.uint16) * 200, (8, 8))
    tifffile.imwrite(path, page, photometric="minisblack", rowsperstrip=64)


def read_picture(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def read_volume(path: Path) -> np.ndarray:
    return np.asarray(nib.load(path).dataobj).T


def read_stack(path: Path) -> np.ndarray:
    """A few planes, and of a single one all."""
    with tifffile.TiffFile(path) as tiff:
        return np.stack(
            [tiff.pages[number].asarray() for number in {1, len(tiff.pages) // 2} if number < len(tiff.pages)]
        )


_PICTURES = ("OpenCV", "Pillow", "vips", "ImageMagick", "GraphicsMagick")
ROWS = (
    Row("PNG 1024² RGB", "in.png", picture(1024), _PICTURES, read_picture, 4),
    Row("JPEG 1024² RGB", "in.jpg", picture(1024), _PICTURES, read_picture, 4),
    Row("PNG 64² RGB", "tiny.png", picture(64), ("bare imports", *_PICTURES), read_picture, 3),
    Row(".nii 197×233×189 int16", "in.nii", brain, ("SimpleITK", "mrgrid", "nilearn"), read_volume, 2),
    Row(".nii.gz 197×233×189 int16", "in.nii.gz", brain, ("SimpleITK", "mrgrid", "nilearn"), read_volume, 2),
    Row("TIFF stack 128×1024² uint16", "stack.tif", stack(128), ("SimpleITK", "torch"), read_stack, 2),
    Row("TIFF 8192² uint16", "large.tif", large, ("vips",), read_stack, 4),
    Row("TIFF stack 1280×1024² uint16 (20 GB out)", "long.tif", stack(1280), (), read_stack, 2),
)


def command(name: str, source: Path, output: Path) -> list[str] | None:
    """How a program is run, or None where it is not installed."""
    if name == "upsample":
        script = shutil.which("upsample", path=os.path.dirname(sys.executable)) or shutil.which("upsample")  # noqa: PTH120
        start = [script] if script else [sys.executable, "-m", "upsample_cli"]
        return [*start, str(source), "--scale", "2", "-o", str(output), "--overwrite", "-q"]
    if name in _SCRIPTS:
        module, script = _SCRIPTS[name]
        if importlib.util.find_spec(module) is None:
            return None
        return [sys.executable, "-c", f"A, B = {str(source)!r}, {str(output)!r}; {script}"]
    if shutil.which(_PROGRAMS[name][0]) is None:
        return None
    return [part.format(a=source, b=output) for part in _PROGRAMS[name]]


def measure(arguments: list[str]) -> tuple[float, float, int]:
    """Wall time, processor time and peak memory of a process that succeeds.

    It is started by a small process, since a child's peak begins at the size of whoever starts it.
    """
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _LAUNCHER, *arguments], stdout=subprocess.PIPE, check=False
    )
    if done.returncode:
        raise SystemExit(f"failed: {' '.join(arguments)}")
    wall, cpu, peak = done.stdout.split()[-3:]
    return float(wall), float(cpu), int(peak)


def check(name: str, row: Row, ours: np.ndarray, output: Path) -> None:
    theirs = row.read(output)
    assert theirs.shape == ours.shape, f"{name}: {theirs.shape} where ours is {ours.shape}"
    inner = tuple(slice(4, -4) if size > 16 else slice(None) for size in ours.shape)
    off = np.abs(theirs[inner].astype(np.float64) - ours[inner]).mean()
    levels = row.tolerance * (1 if ours.dtype == np.uint8 else 200)
    assert off < levels, f"{name} is off by {off:.2f} levels on average"


def bench(row: Row, folder: Path, rounds: int) -> Iterator[str]:
    source = folder / row.file
    row.make(source)
    outputs = {name: folder / f"{name.replace(' ', '_')}_{row.file}" for name in ("upsample", *row.peers)}
    commands = {name: line for name in outputs if (line := command(name, source, outputs[name])) is not None}
    costs = {name: Cost() for name in commands}
    for name, line in commands.items():
        measure(line)
        if name not in ("upsample", "bare imports"):
            check(name, row, row.read(outputs["upsample"]), outputs[name])
    sizes = {name: outputs[name].stat().st_size for name in commands if outputs[name].exists()}
    for _ in range(rounds):
        for name, line in commands.items():
            outputs[name].unlink(missing_ok=True)
            wall, cpu, peak = measure(line)
            costs[name].wall.append(wall)
            costs[name].cpu.append(cpu)
            costs[name].peak.append(peak)
    ours = statistics.median(costs["upsample"].wall)
    yield f"\n{row.name}, ×2"
    for name, cost in costs.items():
        wall, cpu = statistics.median(cost.wall), statistics.median(cost.cpu)
        peak, size = max(cost.peak) / 1e6, sizes.get(name, 0) / 1e6
        ratio = f"ours is {ours / wall:.2f}× of it" if name != "upsample" else ""
        yield f"  {name:15} {wall:8.3f} s  {cpu:8.3f} s cpu  {peak:8.0f} MB peak  {size:8.1f} MB file  {ratio}"
    for path in (source, *outputs.values()):
        path.unlink(missing_ok=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="only rows whose name contains this; 20 GB alone needs asking for")
    parser.add_argument("--folder", type=Path, help="where files are made; the default is a temporary directory")
    options = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for row in ROWS:
            if options.only in row.name and (options.only or "20 GB" not in row.name):
                for line in bench(row, Path(folder), options.rounds):
                    print(line, flush=True)


if __name__ == "__main__":
    main()
