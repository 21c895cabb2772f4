"""Compares the predicted and the measured peak memory of about 60 jobs of all families.

``python -m tests.campaign.memory`` makes the inputs, runs each job in its own process, and prints a table. A job is
at fault if its peak differs from the prediction by more than 15 %, if it exceeds the limit, or if it fails. Words on
the command line select the jobs whose names contain one of them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    import numpy as np

_TOLERANCE = 0.15
_DEFAULT_LIMIT = 2**30
_SECONDS = 120.0  # for one job
_REFUSED = 2  # exit code
_WIDTH, _HEIGHT = 2048, 1536  # of pictures


class Job(NamedTuple):
    """A run of the command.

    Attributes:
        source: the name of the input.
        target: the suffix of the output.
        options: the options of the command.
        limit: bytes for ``--max-memory``, or None for the default; a job with a limit may be refused.
    """

    source: str
    target: str
    options: str = "--scale 2"
    limit: int | None = None

    @property
    def name(self) -> str:
        """The job on one line."""
        limit = "" if self.limit is None else f" --max-memory {self.limit // 10**6}M"
        return f"{self.source} → {self.target} {self.options}{limit}"


JOBS = (
    Job("rgb.png", ".png"),
    Job("rgb.png", ".png", "--scale 2 --mode lanczos"),
    Job("rgb.png", ".png", "--scale 0.5 --antialias"),
    Job("rgb.png", ".png", "--scale 2 --verify"),
    Job("rgb.png", ".jpg"),
    Job("rgb.png", ".webp", "--scale 1.5"),
    Job("rgb.png", ".tif"),
    Job("rgb.png", ".bmp"),
    Job("rgb.png", ".npy"),
    Job("rgb.png", ".jp2"),
    Job("rgb.png", ".avif", "--scale 1.2"),
    Job("rgb.png", ".jxl", "--scale 0.8"),
    Job("deep.png", ".png"),
    Job("grey.png", ".png"),
    Job("palette.png", ".png", "--scale 2 --mode nearest"),
    Job("interlaced.png", ".png"),
    Job("animated.png", ".png"),
    Job("photo.jpg", ".jpg"),
    Job("photo.jpg", ".jpg", "--scale 2 --verify"),
    Job("photo.jpg", ".jpg", "--scale 0.5 --antialias"),
    Job("photo.jpg", ".png", "--scale 2 --mode nearest"),
    Job("progressive.jpg", ".jpg"),
    Job("turned.jpg", ".jpg"),
    Job("lossy.webp", ".webp", "--scale 1.5"),
    Job("lossy.webp", ".webp", "--scale 1.5 --verify"),
    Job("lossless.webp", ".webp", "--scale 0.7"),
    Job("noise.png", ".jpg"),
    Job("noise.png", ".webp", "--scale 1.5 --mode nearest", 250 * 10**6),
    Job("noise.png", ".webp", "--scale 1.5 --mode nearest --quality 100", 300 * 10**6),
    Job("noise.png", ".gif", "--scale 1.2 --mode nearest", 200 * 10**6),
    Job("animated.webp", ".webp"),
    Job("animated.gif", ".gif"),
    Job("animated.gif", ".gif", "--scale 2 --mode nearest"),
    Job("animated.gif", ".gif", "--scale 1.5 --verify"),
    Job("animated.gif", ".webp", "--scale 1.2"),
    Job("animated.gif", ".png"),
    Job("still.gif", ".gif"),
    Job("rgb.bmp", ".bmp"),
    Job("rgb.ppm", ".ppm"),
    Job("rgb.jp2", ".jp2"),
    Job("strips.tif", ".tif"),
    Job("strips.tif", ".tif", "--scale 2 --verify"),
    Job("strips.tif", ".tif", "--scale 2", 150 * 10**6),
    Job("one_strip.tif", ".tif"),
    Job("one_strip_deflate.tif", ".tif"),
    Job("one_strip_deflate.tif", ".tif", "--scale 2", 300 * 10**6),
    Job("lzw.tif", ".tif"),
    Job("packbits.tif", ".tif"),
    Job("tiles.tif", ".tif"),
    Job("tiles.tif", ".tif", "--scale 2", 200 * 10**6),
    Job("tiles_deflate.tif", ".tif"),
    Job("tiles_deflate.tif", ".tif", "--scale 2 --verify"),
    Job("tiles_jpeg.tif", ".tif"),
    Job("large_strip.tif", ".tif", "--scale 0.3 --antialias"),
    Job("large_lzw.tif", ".tif", "--scale 0.3 --antialias"),
    Job("two_strips.tif", ".tif", "--scale 1.2"),
    Job("large_tiles.tif", ".tif", "--scale 1.2"),
    Job("planar.tif", ".tif"),
    Job("planar_deflate.tif", ".tif"),
    Job("pyramid.tif", ".tif"),
    Job("stack.tif", ".tif", "--scale 2"),
    Job("stack.tif", ".tif", "--scale 2 --verify"),
    Job("stack.ome.tif", ".ome.tif"),
    Job("rgb_deflate.tif", ".png"),
    Job("volume.nii", ".nii"),
    Job("volume.nii", ".nii", "--scale 2 --verify"),
    Job("volume.nii", ".nii", "--scale 2", 150 * 10**6),
    Job("volume.nii.gz", ".nii.gz"),
    Job("volume.nii.gz", ".nii.gz", "--scale 2 --verify"),
    Job("volume.nii.gz", ".nii", "--scale 2 --mode cubic"),
    Job("volume.nii", ".tif", "--scale 2 --mode nearest-exact"),
    Job("labels.nii.gz", ".nii.gz", "--scale 2 --mode label"),
    Job("volume.mgz", ".mgz"),
    Job("volume.mgh", ".mgh"),
    Job("array.npy", ".npy"),
    Job("array.npy", ".npy", "--scale 2 --verify"),
    Job("array.npy", ".npy", "--scale 2 --dtype uint8 --rescale"),
    Job("array.npy", ".npy", "--scale 2", 120 * 10**6),
    Job("array.npy", ".npy", "--scale 0.5 --mode area"),
    Job("array.npy", ".npy", "--scale 0.5 --mode lanczos --antialias"),
    Job("fortran.npy", ".npy"),
    Job("signal.npy", ".npy", "--scale 1.7"),
)


def _photo(shape: Sequence[int], dtype: str = "uint8", seed: int = 0) -> np.ndarray[Any, Any]:
    """Smooth waves with noise of a few levels, which compress about as well as photographs."""
    import numpy as np

    random = np.random.default_rng(seed)
    axes = np.ogrid[tuple(slice(0, size) for size in shape)]
    wave = sum(np.sin(axis / (7 + 11 * number)) for number, axis in enumerate(axes))
    low = random.standard_normal(shape, np.float32)
    levels = 128 + 110 * wave / len(shape) + 4 * low
    return np.clip(levels, 0, 255).astype(dtype) if dtype == "uint8" else np.clip(levels * 200, 0, 65535).astype(dtype)


Maker: TypeAlias = Callable[[Path], None]


def _makers() -> dict[str, Maker]:
    """For each input, by name, a function that writes it to a path."""
    return {**_picture_makers(), **_tiff_makers(), **_array_makers()}


def _picture_makers() -> dict[str, Maker]:
    return {
        "rgb.png": _picture(),
        "deep.png": _deep,
        "grey.png": lambda path: _save(_photo((2 * _HEIGHT, 2 * _WIDTH)), path),
        "palette.png": _palette,
        "interlaced.png": _interlaced,
        "animated.png": _animation,
        "photo.jpg": _picture(quality=90),
        "progressive.jpg": _picture(quality=90, progressive=True),
        "turned.jpg": _turned,
        "lossy.webp": _picture(quality=90),
        "lossless.webp": _picture(lossless=True, method=0),
        "animated.webp": _animation,
        "animated.gif": _animation,
        "still.gif": _palette,
        "noise.png": _noise,
        "rgb.bmp": _picture(),
        "rgb.ppm": _picture(),
        "rgb.jp2": _picture(quality_mode="rates", quality_layers=[10]),
    }


def _tiff_makers() -> dict[str, Maker]:
    stack = {"photometric": "minisblack"}
    planar = {"planarconfig": "separate", "photometric": "rgb"}
    return {
        "strips.tif": _tiff(rowsperstrip=16),
        "one_strip.tif": _tiff(rowsperstrip=3072),
        "one_strip_deflate.tif": _tiff(rowsperstrip=3072, compression="zlib"),
        "lzw.tif": _tiff(rowsperstrip=16, compression="lzw", predictor=2),
        "packbits.tif": _tiff(rowsperstrip=16, compression="packbits"),
        "tiles.tif": _tiff(tile=(256, 256)),
        "tiles_deflate.tif": _tiff(tile=(256, 256), compression="zlib"),
        "tiles_jpeg.tif": _tiff((2048, 2048, 3), tile=(256, 256), compression="jpeg", photometric="rgb"),
        "large_strip.tif": _tiff((8192, 8192), rowsperstrip=8192, compression="zlib"),
        "large_lzw.tif": _tiff((8192, 8192), rowsperstrip=8192, compression="lzw", predictor=2),
        "two_strips.tif": _tiff((8192, 8192), rowsperstrip=4096, compression="zlib"),
        "large_tiles.tif": _tiff((8192, 8192), tile=(4096, 4096), compression="zlib"),
        "planar.tif": _tiff((3, 2048, 2048), **planar),
        "planar_deflate.tif": _tiff((3, 2048, 2048), compression="zlib", **planar),
        "pyramid.tif": _pyramid,
        "stack.tif": _tiff((24, 768, 1024), "uint16", metadata=None, **stack),
        "stack.ome.tif": _tiff((24, 768, 1024), "uint16", metadata={"axes": "ZYX"}, **stack),
        "rgb_deflate.tif": _tiff((_HEIGHT, _WIDTH, 3), compression="zlib", photometric="rgb"),
    }


def _array_makers() -> dict[str, Maker]:
    import numpy as np

    return {
        **dict.fromkeys(("volume.nii", "volume.nii.gz", "volume.mgh", "volume.mgz"), _volume),
        "labels.nii.gz": _labels,
        "array.npy": lambda path: np.save(path, _photo((24, 768, 1024), "uint16").astype("f4") / 65535),
        "fortran.npy": lambda path: np.save(path, np.asfortranarray(_photo((24, 768, 1024), "uint16"))),
        "signal.npy": lambda path: np.save(path, _photo((20_000_000,), "uint16")),
    }


def _picture(**options: Any) -> Maker:
    return lambda path: _save(_photo((_HEIGHT, _WIDTH, 3)), path, **options)


def _noise(path: Path) -> None:
    import numpy as np

    _save(np.random.default_rng(0).integers(0, 256, (_HEIGHT, _WIDTH, 3), np.uint8), path)


def _tiff(shape: Sequence[int] = (3072, 4096), dtype: str = "uint8", **options: Any) -> Maker:
    def make(path: Path) -> None:
        import tifffile

        tifffile.imwrite(path, _photo(shape, dtype), **{"photometric": None} | options)

    return make


def _palette(path: Path) -> None:
    from PIL import Image

    Image.fromarray(_photo((_HEIGHT, _WIDTH, 3))).quantize(64).save(path)


def _animation(path: Path) -> None:
    from PIL import Image

    frames = [Image.fromarray(_photo((480, 640, 3), seed=seed)) for seed in range(12)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=80)


def _deep(path: Path) -> None:
    import imagecodecs

    path.write_bytes(imagecodecs.png_encode(_photo((_HEIGHT, _WIDTH, 3), "uint16")))


def _pyramid(path: Path) -> None:
    import numpy as np
    import tifffile

    image = _photo((3072, 4096))
    with tifffile.TiffWriter(path) as writer:
        options: dict[str, Any] = {"tile": (256, 256), "photometric": "minisblack", "compression": "zlib"}
        writer.write(image, subifds=2, metadata=None, **options)
        for level in (2, 4):
            writer.write(np.ascontiguousarray(image[::level, ::level]), subfiletype=1, metadata=None, **options)


def _volume(path: Path) -> None:
    import nibabel
    import numpy as np

    data = _photo((160, 192, 160), "int16").clip(0, 4000)
    kind = nibabel.MGHImage if path.suffix in (".mgh", ".mgz") else nibabel.Nifti1Image
    nibabel.save(kind(data, np.eye(4)), path)


def _labels(path: Path) -> None:
    import nibabel
    import numpy as np

    nibabel.save(nibabel.Nifti1Image(_photo((128, 128, 128)) // 32, np.eye(4)), path)


def _turned(path: Path) -> None:
    from PIL import Image

    exif = Image.Exif()
    exif[274] = 6
    _save(_photo((_HEIGHT, _WIDTH, 3)), path, quality=90, exif=exif)


def _interlaced(path: Path) -> None:
    """Write an Adam7-interlaced PNG without row filters."""
    import struct
    import zlib

    import numpy as np

    image = _photo((_HEIGHT, _WIDTH, 3))
    passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
    parts = []
    for x, y, across, down in passes:
        rows = image[y::down, x::across].reshape(len(image[y::down]), -1)
        parts.append(np.pad(rows, [(0, 0), (1, 0)]).tobytes())
    header = struct.pack(">IIBBBBB", _WIDTH, _HEIGHT, 8, 2, 0, 0, 1)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"".join(parts), 1)), (b"IEND", b""))
    packed = [struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(packed))


def _save(samples: np.ndarray[Any, Any], path: Path, **options: Any) -> None:
    from PIL import Image

    Image.fromarray(samples).save(path, **options)


def _make_inputs(folder: Path, names: Sequence[str]) -> None:
    makers = _makers()
    for name in names:
        makers[name](folder / name)


class Measured(NamedTuple):
    """The result of a job: its exit code, the predicted and the measured peak in bytes, and its message."""

    code: int
    predicted: int
    peak: int
    message: str


def measure(folder: Path, job: Job) -> Measured:
    """Run a job, and measure the peak of its resident memory.

    The peak of a new process includes the memory of the process that started it, so this process must stay smaller
    than the command: it imports no libraries.
    """
    output = folder / f"out{job.target}"
    output.unlink(missing_ok=True)
    limit = [] if job.limit is None else ["--max-memory", str(job.limit)]
    words = [*job.options.split(), *limit, "--json", "--quiet", "-o", str(output)]
    command = [sys.executable, "-m", "upsample_cli", str(folder / job.source), *words]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(command, stdout=out, stderr=err)
        code, peak = _wait(process.pid)
        process.returncode = code
        out.seek(0)
        err.seek(0)
        lines, errors = out.read().decode(), err.read().decode()
    record = json.loads(lines.splitlines()[-1]) if lines.strip() else {}
    message = (record.get("error") or {}).get("message", errors)
    return Measured(code, record.get("memory", 0), peak, message)


def _wait(pid: int) -> tuple[int, int]:
    """The exit code of a process, and its largest resident memory in bytes; it is killed if it takes too long."""
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        done, status, usage = os.wait4(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status), usage.ru_maxrss * 1024
        time.sleep(0.01)
    os.kill(pid, 9)
    _, status, usage = os.wait4(pid, 0)
    return os.waitstatus_to_exitcode(status), usage.ru_maxrss * 1024


def _faults(job: Job, found: Measured) -> Iterator[str]:
    """The faults of a job."""
    if found.code == _REFUSED and job.limit is not None and found.predicted == 0:
        return
    if found.code != 0:
        yield f"ended with {found.code}: {found.message.strip()[:120]}"
    elif abs(found.predicted - found.peak) > _TOLERANCE * found.peak:
        yield "prediction is off"
    if found.peak > (job.limit or _DEFAULT_LIMIT):
        yield "exceeds its limit"


def main(words: Sequence[str]) -> int:
    """Run the jobs whose names contain one of `words`, or all jobs; return the number of jobs at fault."""
    jobs = [job for job in JOBS if not words or any(word in job.name for word in words)]
    tried = at_fault = 0
    with tempfile.TemporaryDirectory() as name:
        names = sorted({job.source for job in jobs})
        subprocess.run([sys.executable, "-m", __spec__.name, "--make", name, *names], check=True)
        print(f"{'predicted':>9} {'measured':>9} {'ratio':>6}  job")
        for job in jobs:
            found = measure(Path(name), job)
            faults = list(_faults(job, found))
            tried, at_fault = tried + 1, at_fault + bool(faults)
            ratio = found.predicted / found.peak if found.peak else 0.0
            said = f"  ← {'; '.join(faults)}" if faults else ""
            print(
                f"{found.predicted / 1e6:7.0f}MB {found.peak / 1e6:7.0f}MB {ratio:6.2f}  {job.name}{said}", flush=True
            )
    print(f"{tried} jobs, {at_fault} at fault")
    return at_fault


if __name__ == "__main__":
    if sys.argv[1:2] == ["--make"]:
        _make_inputs(Path(sys.argv[2]), sys.argv[3:])
    else:
        sys.exit(min(1, main(sys.argv[1:])))
