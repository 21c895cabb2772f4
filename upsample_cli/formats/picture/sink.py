"""Writing pictures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path

import numpy as np

from ...errors import OutputError
from ...geometry import Axis
from ..base import Array, Header, WriteOptions, single_header
from .metadata import carry_over, from_header, update_for_output
from .model import ALPHA, CHANNELS, Metadata, Picture
from .modes import gives_back

_WRITERS = {"PNG": "png.writer", "JPEG": "jpeg", "WEBP": "webp", "GIF": "gif"}  # modules; of the rest, `pillow_formats`
_COMMON = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".gif": "GIF"}
_ANIMATED = ("PNG", "WEBP", "GIF", "AVIF")
_LONGEST = {"JPEG": 65_500, "WEBP": 16_383, "GIF": 65_535, "ICO": 256}  # sides
_LOSSY = ("JPEG", "WEBP", "AVIF")
_SUFFIXES_OF_ANIMATIONS = ".gif, .png, .webp, .tif or .npy"
_GREY = {np.dtype(bool): "1", np.dtype("u1"): "L", np.dtype("u2"): "I;16", np.dtype("i4"): "I", np.dtype("f4"): "F"}
_OF_PNG = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
_WORK = {"WEBP": 17.0, "AVIF": 36.0, "GIF": 6.0}  # measured: bytes of memory for a pixel
_WORK_OF_QUANTISATION = 14.0
_WORK_FOR_A_BYTE = {"PNG": 0.6}  # of other formats: what goes into the file
_OF_PILLOW = 1.8  # and Pillow's picture


class PictureSink:
    """A picture or an animation; see `Sink`."""

    pyramids = False
    compresses = True
    streams = False

    def __init__(self, path: Path, headers: Sequence[Header], options: WriteOptions) -> None:
        header = single_header(headers, path)
        self._path = path
        self._header = header
        self.warnings: list[str] = []
        self._format = _format_of(path)
        self._axes = self._squeezed()
        self._picture = self._describe(options)
        self._refuse_what_does_not_fit()
        self._warn_of_the_encoder()
        self.memory_factor = self._count_copies()

    def _squeezed(self) -> dict[str, Axis]:
        """The axes t, y, x and s, those that have a single sample and no place in a picture left out."""
        grid = self._header.grid
        kept = [axis for axis in grid.axes if axis.name in "yxs" or axis.size > 1]
        names = "".join(axis.name for axis in kept)
        if names not in ("yx", "yxs", "tyx", "tyxs"):
            shown = "".join(grid.names)
            raise OutputError(f"a picture has the axes y and x, not {shown}; write .tif, .nii.gz or .npy", self._path)
        if names[0] == "t" and self._format not in _ANIMATED:
            what = f"{self._format} holds one picture, not {kept[0].size} frames"
            raise OutputError(f"{what}; write {_SUFFIXES_OF_ANIMATIONS}", self._path)
        return {axis.name: axis for axis in kept}

    def _describe(self, options: WriteOptions) -> Picture:
        header = self._header
        size = (self._axes["x"].size, self._axes["y"].size)
        if isinstance(header.metadata, Metadata):
            metadata = header.metadata
            notes, said = carry_over(header, metadata, self._format)
            picture = Picture(size, metadata.mode, notes, metadata.palette, metadata.bits, header.history, options)
        else:
            mode = self._mode_of_array()
            notes, said = from_header(header, self._axes, self._format)
            picture = Picture(size, mode, notes, None, 1 if mode == "1" else 8, header.history, options)
        notes, more = update_for_output(picture, self._axes, self._format)
        self.warnings += said + more
        return picture._replace(notes=notes)

    def _mode_of_array(self) -> str:
        header = self._header
        if header.colours not in (None, "RGB", "CMYK"):
            raise OutputError(f"{header.colours} cannot become a picture as it is; write .tif or .npy", self._path)
        dtype = header.dtype.newbyteorder("=")
        channels = self._axes["s"].size if "s" in self._axes else 1
        if channels == 1 and "s" not in self._axes and dtype in _GREY:
            return _GREY[dtype]
        if dtype in (np.uint8, np.uint16) and 2 <= channels <= 4:
            if channels in (2, 4) and not header.alpha and header.colours != "CMYK":
                self.warnings.append("the last sample of a pixel is taken for alpha, and has not been weighed as such")
            return "CMYK" if channels == 4 and header.colours == "CMYK" else ("LA", "RGB", "RGBA")[channels - 2]
        raise OutputError(f"a picture cannot hold {channels} × {dtype} in a pixel; write .tif or .npy", self._path)

    def _refuse_what_does_not_fit(self) -> None:
        mode, palette = self._picture.mode, self._picture.palette
        deep = self._header.dtype.itemsize == 2
        remedy = "write .png" if mode in _OF_PNG else "write .tif"
        of_png = self._format == "PNG" and mode in _OF_PNG  # what the others hold is tried
        if not (of_png or gives_back(self._format, mode)) or (mode == "CMYK" and deep):
            raise OutputError(f"{self._format} cannot hold pixels of mode {mode}; {remedy}", self._path)
        if deep and mode in CHANNELS and self._format != "PNG":
            raise OutputError(f"{self._format} cannot hold {mode} of 16 bits; {remedy}", self._path)
        if self._format == "GIF" and palette is not None:
            from . import gif

            if gif.transparent_entry(palette) == -1:
                raise OutputError("GIF cannot hold a palette with half transparent colours; write .png", self._path)
        longest = _LONGEST.get(self._format)
        if longest is not None and max(self._picture.size) > longest:
            size = f"{max(self._picture.size):,}"
            raise OutputError(
                f"{self._format} holds no more than {longest:,} pixels along a side, not {size}; write .png", self._path
            )

    def _warn_of_the_encoder(self) -> None:
        if self._format == "GIF":
            self._warn_of_gif()
        if self._header.labels and self._format in _LOSSY and not self._is_lossless():
            self.warnings.append(f"{self._format} changes values a little, and labels with them; .png keeps them")

    def _is_lossless(self) -> bool:
        if self._format != "WEBP":
            return False
        from . import webp

        return webp.is_lossless(self._picture)

    def _warn_of_gif(self) -> None:
        mode, metadata = self._picture.mode, self._header.metadata
        picked = isinstance(metadata, Metadata) and metadata.picks  # then what has been said of the input still holds
        few_colours = picked and self._picture.notes.few_colours
        clear_or_opaque = isinstance(metadata, Metadata) and picked and metadata.format == "GIF"
        durations = () if self._picture.notes.animation is None else self._picture.notes.animation.durations
        if any(round(duration, 3) % 10 for duration in durations):
            self.warnings.append(
                "GIF counts time in hundredths of a second: frames are shown a little longer or shorter"
            )
        if mode in CHANNELS and not few_colours:
            self.warnings.append("GIF holds 256 colours: a frame that has more is reduced to as many")
        if mode in ALPHA and not clear_or_opaque:
            self.warnings.append("GIF holds no half transparent pixels: they become opaque, or vanish if nearly clear")

    def _count_copies(self) -> float:
        """The array, and what the encoder of a frame works with."""
        header = self._header
        frames = self._axes["t"].size if "t" in self._axes and self._format in _WRITERS else 1
        pixel = header.dtype.itemsize * (self._axes["s"].size if "s" in self._axes else 1)
        work = _WORK.get(self._format, _WORK_FOR_A_BYTE.get(self._format, _OF_PILLOW) * pixel)
        if self._format == "GIF" and "s" in self._axes:
            work = _WORK_OF_QUANTISATION
        return 1 + work / (pixel * frames)

    def write(self, paths: Sequence[Path], arrays: Iterable[Iterable[Array]]) -> None:
        """Encode the picture; see `Sink`."""
        shape = [axis.size for axis in self._axes.values()]
        frames = self._gathered(next(iter(arrays))).reshape(shape if "t" in self._axes else [1, *shape])
        with paths[0].open("wb") as file:
            if self._format in _WRITERS:
                import_module(f".{_WRITERS[self._format]}", __package__).write(file, frames, self._picture)
            else:
                from . import pillow_formats

                pillow_formats.write(file, frames, self._picture, self._format)

    def _gathered(self, slabs: Iterable[Array]) -> Array:
        """The whole array, which most often comes in one slab."""
        total = math.prod(self._header.grid.shape)
        array: Array | None = None
        filled = 0
        for slab in slabs:
            if slab.size == total:
                array = slab
                continue
            if array is None:
                array = np.empty(total, self._header.dtype)
            array[filled : filled + slab.size] = slab.reshape(-1)
            filled += slab.size
        assert array is not None, "there is at least one slab"
        return array


def _format_of(path: Path) -> str:
    """Pillow's name of the format that a suffix stands for."""
    suffix = path.suffix.lower()
    if suffix in _COMMON:
        return _COMMON[suffix]
    from PIL import Image  # all of whose formats take longer to load than a small picture

    format_name = Image.registered_extensions().get(suffix)
    if format_name is None or format_name not in Image.SAVE:
        known = "png, jpg, webp, gif, tif, nii.gz, npy"
        raise OutputError(f"no file with the suffix {path.suffix!r} can be written; {known} and others can", path)
    return format_name
