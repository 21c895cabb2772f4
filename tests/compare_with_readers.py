"""Resize every file of a folder, and compare inputs and outputs as independent libraries read them.

    python -m tests.compare_with_readers FOLDER_OR_FILE... [--log LOG]

Each file goes through ``--scale 2 --mode nearest``, ``--scale 1.5`` and both once more with ``--verify``. Pillow,
imagecodecs, OpenCV, tifffile and nibabel, as far as they are installed, read the input and the output; the output has
to be the input with every sample twice, or interpolated linearly. Files are sorted into

- ``done``: every reader that reads both finds the expected samples;
- ``refused``: refused by the command, and no reader reads it;
- ``reader ran out of time``: a reader was ended, so that it could not be compared;
- ``refused though others read it``;
- ``different``: a reader finds other samples, ``--verify`` withholds the output, or the command fails in another way.

The last line counts them, and the exit code is 1 if there is a file of the last kind. Readers and commands run in child
processes, which are ended when their time is over. With ``--log``, each result is appended to a file of JSON lines, and
files that the log has are not examined again: an interrupted run goes on where it was.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import math
import multiprocessing
import os
import pkgutil
import resource
import struct
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from upsample_cli import formats, verify
from upsample_cli.__main__ import run
from upsample_cli.runtime.library_messages import hide_library_messages

RUNS = {"nearest": "--scale 2 --mode nearest --verify", "linear": "--scale 1.5 --nodata none --verify"}
KINDS = ("done", "refused", "reader ran out of time", "refused though others read it", "different")
_DONE, _REFUSED, _OUT_OF_TIME, _REFUSED_ALONE, _DIFFERENT = KINDS
_COMMAND_SECONDS, _READER_SECONDS, _FILE_SECONDS = 120, 20, 1200
_MEMORY_BYTES = 8 << 30
_MAX_SAMPLES = 1 << 26  # larger images are not compared
_BLOCK_SAMPLES = 1 << 16
_COARSEST_TABLE = 200  # mean of the table of luminance in JPEG; quality 10 has about 190
_INPUT_REFUSED, _OUTPUT_REFUSED = 3, 4  # exit codes
_LOSSY = (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".webp", ".jp2", ".j2k", ".avif", ".heic", ".heif", ".jxl", ".gif")
_LOSSY_COMPRESSIONS = (6, 7, 33003, 33005, 33007, 34712, 34892, 34927, 50001, 50002, 52546)  # of TIFF
_NETPBM = (".pgm", ".ppm", ".pnm", ".pam")
_ALPHA = ((), (2,))  # of TIFF: extra samples that are straight alpha, or taken as such by all readers
_LOSSY_MEAN, _LEVEL = 0.05, 1.51 / 255  # tolerated mean and largest difference, as fractions of the range

_FORK = multiprocessing.get_context("fork")

Images = list[np.ndarray]


def by_pillow(path: Path) -> Images:
    """Every frame, upright, with palettes and colour keys expanded."""
    from PIL import Image, ImageOps, ImageSequence

    with Image.open(path) as image:
        tables = getattr(image, "quantization", {})
        if tables and np.mean(tables[0]) > _COARSEST_TABLE:
            raise ValueError("its quality is too low to be compared")
        default = 1 if image.info.get("default_image") else 0
        frames = []
        for frame in ImageSequence.Iterator(image):
            frame.load()  # which turns pages of TIFF
            turned = ImageOps.exif_transpose(frame)
            if turned.mode == "LAB":
                raise ValueError("Pillow converts no numbers that could be interpolated")
            if turned.mode.startswith("I;16") and "transparency" in turned.info:
                raise ValueError("Pillow makes no colours of such a key")
            if turned.mode in ("P", "PA") or "transparency" in turned.info:
                turned = turned.convert("RGBA" if turned.has_transparency_data else "RGB")
            array = np.asarray(turned.convert("RGB") if turned.mode in ("HSV", "YCbCr") else turned)
            frames.append(array[..., None] if turned.mode in ("CMYK", "RGBa", "La") else array)  # no straight alpha
    return frames[default:]


def by_imagecodecs(path: Path) -> Images:
    """The frames of formats that turn nothing."""
    import imagecodecs

    data = path.read_bytes()
    decoders: dict[bytes, Callable[[bytes], Any]] = {
        b"\x89PNG": imagecodecs.apng_decode,
        b"GIF8": imagecodecs.gif_decode,
        b"BM": imagecodecs.bmp_decode,
        b"#?": imagecodecs.rgbe_decode,
        b"\xff\x0a": imagecodecs.jpegxl_decode,
        b"\0\0\0\x0cJXL": imagecodecs.jpegxl_decode,
    }
    decode = next((decode for magic, decode in decoders.items() if data.startswith(magic)), None)
    if decode is None:
        raise ValueError("not one of the formats")
    if _has_deep_fields(data):
        raise ValueError("imagecodecs takes fields of BMP for 8 bits")
    array = np.asarray(decode(data))
    if data.startswith(b"\x89PNG") and b"eXIf" in data:
        raise ValueError("may be turned")
    animated = array.ndim == 4 or (array.ndim == 3 and array.shape[-1] > 4)
    if data.startswith(b"\x89PNG") and animated and data.find(b"IDAT") < data.find(b"fcTL"):
        array = array[1:]  # without the default image
    return list(array) if animated else [array]


def _has_deep_fields(data: bytes) -> bool:
    """Whether a BMP file has more than 8 bits per sample."""
    if not data.startswith(b"BM") or len(data) < 66 or data[30] not in (3, 6):
        return False
    return any(mask.bit_count() > 8 for mask in struct.unpack_from("<3I", data, 54))


def by_opencv(path: Path) -> Images:
    """The first image."""
    import cv2

    array = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if path.suffix.lower() in _NETPBM and not {b"255", b"65535"} & set(path.read_bytes()[:200].split()):
        raise ValueError("OpenCV does not scale samples to the range of their type")
    data = path.read_bytes()
    if array is None or _has_deep_fields(data) or path.suffix.lower() in (".gif", ".hdr") or b"acTL" in data[:1000]:
        raise ValueError("not read")
    if any(mark in data for mark in (b"eXIf", b"Exif\0", b"tiff:Orientation", b"EXIF")):
        raise ValueError("may be turned, which OpenCV does not do")
    if path.suffix.lower().startswith(".tif") and _samples_per_pixel(path) in (2, 4):
        raise ValueError("OpenCV multiplies colours by the alpha of TIFF, or leaves it out, in some cases")
    if array.ndim == 3:
        array = array[..., [2, 1, 0, 3][: array.shape[2]]]
    return [array]


def _samples_per_pixel(path: Path) -> int:
    import tifffile

    with tifffile.TiffFile(path) as file:
        return int(file.pages.first.samplesperpixel)


def by_tifffile(path: Path) -> Images:
    """Every page or series, interleaved, with palettes expanded and few bits scaled as the command does."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        if any(series.dtype is None or not math.prod(series.shape) for series in file.series):
            raise ValueError("has pages without samples")
        if not file.series or file.series[0].kind not in ("uniform", "generic"):
            return [_shown(series.asarray(), series.keyframe) for series in file.series]
        images = []
        for number in range(len(file.pages)):  # page by page; a series may leave out smaller ones
            main: Any = file.pages.get(number, aspage=True)
            for page in (main, *(below for below in main.pages or ())):
                if not page.is_reduced:
                    array = _shown(page.asarray(), page)
                    images += list(array) if page.imagedepth > 1 else [array]
        return images


def _shown(array: np.ndarray, page: Any) -> np.ndarray:
    from tifffile import PHOTOMETRIC

    if page.samplesperpixel > 1 and array.shape[-3:] == page.shape and page.axes.endswith("SYX"):
        array = np.moveaxis(array, -3, -1)

    bits, grey = page.bitspersample, page.photometric in (PHOTOMETRIC.MINISWHITE, PHOTOMETRIC.MINISBLACK)
    if page.photometric == PHOTOMETRIC.PALETTE and page.colormap is not None and array.dtype.kind == "u":
        colours = np.asarray(page.colormap)
        colours = np.pad(colours, [(0, 0), (0, 1 << bits)])  # further entries are taken as black
        return np.moveaxis(colours[:, array], 0, -1)
    if page.photometric == PHOTOMETRIC.CIELAB and array.dtype.kind == "u":  # a* and b* are signed
        array = array.copy()
        array[..., 1:3] ^= array.dtype.type(1 << (8 * array.dtype.itemsize - 1))
    elif array.dtype.kind == "u" and bits < 8 * array.dtype.itemsize and (bits < 8 or not grey) and not _is_lossy(page):
        highest, full = (1 << bits) - 1, np.iinfo(array.dtype).max
        array = ((array.astype(np.uint64) * full + highest // 2) // highest).astype(array.dtype)
    inks = page.photometric == PHOTOMETRIC.SEPARATED and not page.extrasamples
    if page.samplesperpixel in (2, 4, 5) and (
        array.dtype.kind == "i" or inks or tuple(page.extrasamples) not in _ALPHA
    ):
        return array[..., None]
    return array


def _is_lossy(page: Any) -> bool:
    return page.compression in _LOSSY_COMPRESSIONS


def by_nibabel(path: Path) -> Images:
    """The stored numbers of a volume."""
    import nibabel

    image: Any = nibabel.load(path)
    return [np.asarray(image.dataobj)[..., None]]  # no axis of space is taken for channels


READERS: dict[str, Callable[[Path], Images]] = {
    "Pillow": by_pillow,
    "imagecodecs": by_imagecodecs,
    "OpenCV": by_opencv,
    "tifffile": by_tifffile,
    "nibabel": by_nibabel,
}


def read_all(path: Path) -> tuple[dict[str, Images], list[str]]:
    """What each reader finds, of those that read the file; and the names of those that ran out of time."""
    found: dict[str, Images] = {}
    late: list[str] = []
    left = list(READERS)
    while left:
        left = _read_apart(path, left, found, late)
    return found, late


def _read_apart(path: Path, names: Sequence[str], found: dict[str, Images], late: list[str]) -> list[str]:
    """Run readers in one child process until one crashes or has to be ended; return the names that are left."""
    left = list(names)
    receiver, sender = _FORK.Pipe(duplex=False)
    process = _FORK.Process(target=_limited, args=(lambda: _send_readings(sender, path, names),))
    process.start()
    sender.close()
    while left:
        in_time = receiver.poll(_READER_SECONDS)
        name = left.pop(0)
        if not in_time:
            late.append(name)
            break
        try:
            images = receiver.recv()
        except EOFError:  # the reader crashed
            break
        if images:
            found[name] = images
    process.kill()
    process.join()
    return left


def _send_readings(sender: Connection, path: Path, names: Sequence[str]) -> None:
    for name in names:
        try:
            images = READERS[name](path)
        except Exception:  # each library has its own
            images = []
        sender.send(images if sum(image.size for image in images) <= _MAX_SAMPLES else [])


def difference(before: Images, after: Images, run: str, lossy: bool) -> str | None:
    """How the images of an output differ from what the run makes of those of its input; None if they do not."""
    if len(before) != len(after) == 1:
        before = _stacked(before, after[0].ndim)
    elif len(after) != len(before) == 1:
        after = _stacked(after, before[0].ndim)
    if (
        len(before) > 1 and len({i.shape for i in before}) == len({i.shape for i in after}) == 1
    ):  # frames, or planes of a volume
        before, after = [np.stack(before)], [np.stack(after)]
    elif len(before) > 1 and len({i.shape for i in after}) == 1:  # frames of a canvas that grows
        factor = after[-1].shape[0] / before[-1].shape[0]
        pairs = zip(before, after, strict=False)
        after = [new[: int(old.shape[0] * factor), : int(old.shape[1] * factor)] for old, new in pairs]
    if len(before) != len(after):
        return f"{len(after)} images where the input has {len(before)}"
    for number, (image, output) in enumerate(zip(before, after, strict=True)):
        problem = _image_difference(image, output, run, lossy)
        if problem is not None:
            return f"image {number}: {problem}"
    return None


def _stacked(images: Images, ndim: int) -> Images:
    """Images of one shape as one array, if this has `ndim` axes."""
    are_planes = len({image.shape for image in images}) == 1 and images[0].ndim + 1 == ndim
    return [np.stack(images)] if are_planes else images


def _aligned(before: np.ndarray, after: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both as fractions of their range, as RGBA if their channels differ."""
    before, after = _fractions(before), _fractions(after)
    ndim = max(before.ndim, after.ndim)
    if before.ndim == after.ndim and before.shape[-1] == after.shape[-1]:
        return before, after
    channels = {image.shape[-1] for image in (before, after) if image.ndim == ndim}
    are_channels = before.ndim != after.ndim or {before.shape[-1], after.shape[-1]} <= {1, 2, 3, 4}
    if ndim >= 3 and channels <= {1, 2, 3, 4} and are_channels:
        return _rgba(before, ndim), _rgba(after, ndim)
    return before, after


def _rgba(image: np.ndarray, ndim: int) -> np.ndarray:
    """Grey, grey with alpha, or RGB as RGBA."""
    planes = image if image.ndim == ndim else image[..., None]
    count = planes.shape[-1]
    colours = planes[..., :3] if count >= 3 else planes[..., [0, 0, 0]]
    alpha = planes[..., -1:] if count in (2, 4) else np.ones_like(planes[..., :1])
    return np.concatenate([colours, alpha], -1)


def _fractions(image: np.ndarray) -> np.ndarray:
    if image.dtype.kind == "u":
        return image / float(np.iinfo(image.dtype).max)
    return image.astype(np.complex128 if image.dtype.kind == "c" else np.float64)


def _image_difference(before: np.ndarray, after: np.ndarray, run: str, lossy: bool) -> str | None:
    first, output = _aligned(before[:1], after[:1])
    if first.ndim != output.ndim:
        return f"shape {after.shape} where the input has {before.shape}"
    sizes = zip((len(before), *first.shape[1:]), (len(after), *output.shape[1:]), strict=True)
    for axis, (old, new) in enumerate(sizes):
        if new not in (old, _scaled(old, run)):
            return f"{new} samples along axis {axis} where {_scaled(old, run)} are expected"
    rows = max(1, _BLOCK_SAMPLES * len(after) // max(1, after.size))  # few at a time stay in the cache
    blocks = [_compared(before, after, slice(row, row + rows), run, lossy) for row in range(0, len(after), rows)]
    return _verdict(blocks, run, lossy, rounding=0.51 if after.dtype.kind == "i" else 0.0)


def _scaled(size: int, run: str) -> int:
    return math.floor(size * (2 if run == "nearest" else 1.5))


@dataclass
class _Block:
    """Errors of some rows of an output: the largest and the sum of `count`; and the largest sample of the input."""

    largest: float
    total: float
    count: int
    range: float
    has_two_levels: bool
    has_other_gaps: bool  # NaN or infinity where only one of both has it


def _compared(before: np.ndarray, after: np.ndarray, rows: slice, run: str, lossy: bool) -> _Block:
    low, part = (values[rows] for values in _positions(len(before), len(after), run))
    expected, found = _aligned(before[low[0] : low[-1] + 2], after[rows])
    has_alpha = expected.ndim >= 3 and expected.shape[-1] in (2, 4, 5) and expected.shape[-1] == found.shape[-1]
    if has_alpha:
        expected, found = _premultiplied(expected), _premultiplied(found)
    with np.errstate(invalid="ignore"):
        expected = _interpolated(expected, 0, low - low[0], part)
        for axis in range(1, found.ndim):
            expected = _interpolated(expected, axis, *_positions(expected.shape[axis], found.shape[axis], run))
        errors = np.abs(expected - found)
        high = float(np.nanmax(np.abs(expected), initial=0))
    if has_alpha and (expected.ndim == 4 or lossy):  # readers blend partial alpha in several ways, and GIF has none
        errors = errors[np.isin(expected[..., -1], (0, 1))]
    finite = errors[np.isfinite(errors)]
    gaps = finite.size < errors.size and not np.array_equal(np.isfinite(expected), np.isfinite(found))
    levels = ((found == 0) | (found == 1)).all()
    return _Block(finite.max(initial=0), finite.sum(), finite.size, high, bool(levels), gaps)


def _verdict(blocks: Sequence[_Block], run: str, lossy: bool, rounding: float) -> str | None:
    largest = float(max((block.largest for block in blocks), default=0))
    scale = max((1.0, *(block.range for block in blocks)))
    if run == "nearest" and any(block.has_other_gaps for block in blocks):
        return "NaN or infinity elsewhere"
    if run == "linear" and all(block.has_two_levels for block in blocks):  # rounded
        return f"off by up to {largest:.2%}" if largest > 0.5 + _LEVEL else None
    if lossy:
        mean = sum(block.total for block in blocks) / max(1, sum(block.count for block in blocks))
        return f"off by {mean / scale:.1%} on average" if mean > _LOSSY_MEAN * scale else None
    return f"off by up to {largest / scale:.2%}" if largest > _LEVEL * scale + rounding else None


def _premultiplied(image: np.ndarray) -> np.ndarray:
    return np.concatenate([image[..., :-1] * image[..., -1:], image[..., -1:]], -1)


def _positions(old: int, new: int, run: str) -> tuple[np.ndarray, np.ndarray]:
    """The lower of the two samples that each new one lies between, and how far it is on the way to the other."""
    if new == old or run == "nearest":
        return np.arange(new) * old // max(1, new), np.zeros(new)
    positions = np.clip((np.arange(new) + 0.5) / 1.5 - 0.5, 0, old - 1)  # outer edges aligned, the border repeated
    low = np.minimum(np.floor(positions).astype(int), old - 1)
    return low, positions - low


def _interpolated(image: np.ndarray, axis: int, low: np.ndarray, part: np.ndarray) -> np.ndarray:
    if not part.any():
        return image.take(low, axis) if len(low) != image.shape[axis] or (np.diff(low) != 1).any() else image
    part = part.reshape([-1 if number == axis else 1 for number in range(image.ndim)])
    high = np.minimum(low + 1, image.shape[axis] - 1)
    mixed: np.ndarray = image.take(low, axis) * (1 - part) + image.take(high, axis) * part
    return mixed


def examine(path: Path) -> tuple[str, list[str]]:
    """The kind of a file, and what was found out."""
    before, late = read_all(path)
    notes = [f"{name} takes more than {_READER_SECONDS} s" for name in late]
    kinds = {_OUT_OF_TIME if late else _DONE}
    with tempfile.TemporaryDirectory() as folder:
        for name, options in RUNS.items():
            out = Path(folder) / name
            out.mkdir()
            code, said = _resized(path, f"{out}/", options.split())
            for other in (".png", ".tif") if code == _OUTPUT_REFUSED and "--verify:" not in said else ():
                again, text = _resized(path, str(out / f"out{other}"), options.split())  # the format has limits
                if again == 0:
                    notes.append(f"{name}: {said}")
                    code, said = again, text
                    break
            if code in (_INPUT_REFUSED, _OUTPUT_REFUSED, 2) and "--verify:" not in said:
                kinds.add(_REFUSED_ALONE if before else _REFUSED)
                notes.append(f"{name}: {said}" + (f" (read by {', '.join(before)})" if before else ""))
            elif code:
                kinds.add(_DIFFERENT)
                notes.append(f"{name}: exit code {code}: {said}")
            else:
                before = _as_resized(before, said, path)
                lines = [line for line in said.splitlines() if " → " not in line]  # without the summary
                notes += [f"{name}: {line}" for line in lines]
                found = _differences(before, out, name)
                found += [f"prints {line!r}" for line in lines if not line.startswith("Warning: ")]
                kinds |= {_DIFFERENT} if found else set()
                notes += [f"{name}: {text}" for text in found]
    return max(kinds, key=KINDS.index), notes


def _as_resized(before: dict[str, Images], said: str, path: Path) -> dict[str, Images]:
    """What readers find in those images of a file that warnings say are resized."""
    if "only the first of" in said or "its layers are dropped" in said:
        return {name: images[:1] for name, images in before.items()}
    if "(SubIFDs) are written as pages" in said:
        before = {name: images for name, images in before.items() if name == "tifffile"}
    if "its chain of pages loops" in said:  # tifffile also leaves out the page that leads back
        before = {name: images for name, images in before.items() if name != "tifffile"}
    return before


def _differences(before: dict[str, Images], folder: Path, run: str) -> list[str]:
    outputs = sorted(path for path in folder.iterdir() if path.suffix != ".img")
    if not outputs:
        return ["no output"]
    after, late = read_all(outputs[0])
    if late:
        return [f"{name} takes more than {_READER_SECONDS} s to read the output" for name in late]
    lossy = outputs[0].suffix.lower() in _LOSSY or _is_lossy_tiff(outputs[0])
    kept = [name for name in before.keys() & after.keys() if _are_alike(before[name][0], after[name][0])]
    found = {name: difference(before[name], after[name], run, lossy) for name in kept}
    if None in found.values() and not _agree(list(before.values())):
        return []  # readers that disagree on the input need not agree on the output
    return [f"{name}: {text}" for name, text in sorted(found.items()) if text is not None]


def _are_alike(before: np.ndarray, after: np.ndarray) -> bool:
    """Whether samples are of one kind; where they are not, they were converted, and a warning says so."""
    has_inks = [image.ndim > 3 and image.shape[-1] == 1 for image in (before, after)]
    kinds = [image.dtype.kind.replace("b", "u") for image in (before, after)]
    return kinds[0] == kinds[1] and has_inks[0] == has_inks[1]


def _is_lossy_tiff(path: Path) -> bool:
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            return any(_is_lossy(page) for page in file.pages)
    except (tifffile.TiffFileError, OSError):
        return False


def _agree(readings: Sequence[Images]) -> bool:
    """Whether all readers find the same in a file."""
    first = readings[0]
    return all(difference(first, other, "same", lossy=False) is None for other in readings[1:])


def _resized(path: Path, output: str, options: Sequence[str]) -> tuple[int, str]:
    """Exit code and message of the command, in a process of its own."""
    arguments = [str(path), "--no-progress", *options, "-o", output]
    with tempfile.TemporaryFile() as said:
        code = _run_apart(lambda: _command(arguments, said.fileno()), _COMMAND_SECONDS)
        said.seek(0)
        text = said.read().decode(errors="replace").strip()
    return (-1, f"takes more than {_COMMAND_SECONDS} s") if code is None else (code, text)


def _command(arguments: Sequence[str], stderr: int) -> None:
    """Run the command with its messages, and those of the libraries, in the file `stderr`."""
    os.dup2(stderr, 2)
    sys.argv = ["upsample", *arguments]
    run()


def _run_apart(work: Callable[[], None], seconds: float) -> int | None:
    """The exit code of `work` in a copy of this process, which has imported all modules; None if it takes too long."""
    process = _FORK.Process(target=_limited, args=(work,))
    process.start()
    process.join(seconds)
    if process.is_alive():
        process.kill()
        process.join()
        return None
    return process.exitcode


def _limited(work: Callable[[], None]) -> None:
    allowed = resource.getrlimit(resource.RLIMIT_AS)[1]
    limit = _MEMORY_BYTES if allowed == resource.RLIM_INFINITY else min(_MEMORY_BYTES, allowed)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    work()


def _examined_apart(path: Path) -> tuple[str, list[str]]:
    """`examine` in a process of its own: readers may crash, or take all memory or time."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result"
        code = _run_apart(lambda: _examine_into(path, result), _FILE_SECONDS)
        if not result.exists():
            return _DIFFERENT, [f"the comparison itself fails: exit code {code}"]
        kind, notes = json.loads(result.read_text())
    return kind, notes


def _examine_into(path: Path, result: Path) -> None:
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    warnings.simplefilter("ignore")
    logging.disable()
    text = json.dumps(examine(path))
    result.write_text(text)


def _import_all() -> None:
    """Import what the processes of all files need, so that each starts at once."""
    for name in ("cv2", "imagecodecs", "nibabel", "tifffile", "PIL.ImageCms", "upsample_cli.cli.command"):
        with suppress(ImportError):
            import_module(name)
    Image.init()
    hide_library_messages()
    for package in (formats, verify):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            with suppress(ImportError):  # an optional library is missing
                import_module(module.name)


def main() -> int:
    """Examine files and folders."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", type=Path, nargs="+", metavar="PATH")
    parser.add_argument("--log", type=Path, help="a file of JSON lines: path, kind and notes of every file examined")
    given = parser.parse_args()
    hidden_or_text = {".md", ".txt", ".py"}
    files = [path for path in given.paths if path.is_file()]
    for folder in given.paths:
        files += sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix.lower() not in hidden_or_text)
    _import_all()
    gc.freeze()
    results = _logged(given.log)
    for path in files:
        if str(path) in results:
            continue
        kind, notes = results[str(path)] = _examined_apart(path)
        print(f"{kind}: {path}", *(f"    {note}" for note in notes), sep="\n", flush=True)
        if given.log is not None:
            with given.log.open("a") as log:
                log.write(json.dumps([str(path), kind, notes]) + "\n")
    counts = Counter(kind for kind, _ in results.values())
    print(", ".join(f"{counts[kind]} {kind}" for kind in KINDS))
    return int(counts[_DIFFERENT] > 0)


def _logged(log: Path | None) -> dict[str, tuple[str, list[str]]]:
    """The results that a log has."""
    if log is None or not log.exists():
        return {}
    return {path: (kind, notes) for path, kind, notes in map(json.loads, log.read_text().splitlines())}


if __name__ == "__main__":
    sys.exit(main())
