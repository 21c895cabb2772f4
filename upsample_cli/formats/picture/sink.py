"""Writes pictures and animations."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import OutputError
from ...geometry import Axis
from ..base import Array, Header, WriteOptions, single_header
from ..dropped import Dropped, Loss
from .encoding_memory import encoding_memory
from .metadata import carry_over, from_header, update_for_output
from .model import ALPHA, CHANNELS, CODESTREAM_SUFFIXES, INDEXED, EncodeSpec, PictureInfo
from .modes import can_store
from .pixels import expanded

_WRITERS = {  # by format: the module, and its function unless it is `write`; `pillow_formats` writes other formats
    "PNG": "png.writer",
    "JPEG": "jpeg",
    "WEBP": "webp",
    "GIF": "gif",
    "BMP": "bmp",
    "PPM": "netpbm",
    "PAM": "netpbm:write_pam",
    "SGI": "sgi",
    "HDR": "radiance",
    "JPEG XL": "jpegxl",
    "HEIF": "heif",
    "EXR": "exr",
    "ICNS": "icons",
    "JPEG2000": "jp2",
}
_COMMON_SUFFIXES = {
    **{".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".gif": "GIF"},
    ".mpo": "JPEG",  # an MPO with a single picture is a JPEG
    **{
        ".jxl": "JPEG XL",
        ".heic": "HEIF",
        ".heif": "HEIF",
        ".pam": "PAM",
        ".rgbe": "HDR",
        ".exr": "EXR",
    },  # not Pillow's
}
_ANIMATED = ("PNG", "WEBP", "GIF", "AVIF", "JPEG XL")
_MAX_ANY_SIDE_PIXELS = 2**31 - 1  # most formats have 32-bit fields
_MAX_PNG_SIDE_PIXELS = 1_000_000  # libpng's default limit
_MAX_SIDE_PIXELS = {"PNG": _MAX_PNG_SIDE_PIXELS, "JPEG": 65_500, "WEBP": 16_383, "GIF": 65_535, "ICO": 256}
_LOSSY = ("JPEG", "WEBP", "AVIF", "JPEG XL", "HEIF")
_WITH_QUALITY = (*_LOSSY, "MPO")
_ANIMATION_SUFFIXES = ".gif, .png, .webp, .tif or .npy"
_GREY_MODES = {
    np.dtype(bool): "1",
    np.dtype("u1"): "L",
    np.dtype("u2"): "I;16",
    np.dtype("i4"): "I",
    np.dtype("f4"): "F",
}


class PictureSink:
    """`Sink` of a picture or an animation."""

    pyramids = False
    compresses = True
    streams = False

    def __init__(self, path: Path, headers: Sequence[Header], options: WriteOptions) -> None:
        header = single_header(headers, path)
        self._path = path
        self._header = header
        self.warnings: list[str] = []
        self._format = _format_of(path)
        self._axes = self._picture_axes()
        self._check_sides()
        self._spec = self._make_spec(options)
        self._check_format_limits()
        self._add_encoder_warnings()
        self.memory_factor, self.worst_memory_factor = (
            encoding_memory(self._spec, self._axes, self._format, header.dtype, noise) for noise in (False, True)
        )

    def _picture_axes(self) -> dict[str, Axis]:
        """The axes t, y, x and s by name, without other axes of a single sample."""
        grid = self._header.grid
        kept = [axis for axis in grid.axes if axis.name in "yx" or axis.size > 1]
        names = "".join(axis.name for axis in kept)
        if names not in ("yx", "yxs", "tyx", "tyxs"):
            shown = "".join(grid.names)
            raise OutputError(f"a picture has the axes y and x, not {shown}; write .tif, .nii.gz or .npy", self._path)
        if names[0] == "t" and self._format not in _ANIMATED:
            what = f"{self._format} holds one picture, not {kept[0].size} frames"
            raise OutputError(f"{what}; write {_ANIMATION_SUFFIXES}", self._path)
        return {axis.name: axis for axis in kept}

    def _check_sides(self) -> None:
        longest, size = _MAX_SIDE_PIXELS.get(self._format, _MAX_ANY_SIDE_PIXELS), max(self._axes[n].size for n in "yx")
        if size > longest:
            other = ".png" if size <= _MAX_PNG_SIDE_PIXELS else ".tif"
            raise OutputError(
                f"{self._format} allows at most {longest:,} pixels per side, not {size:,}; write {other}", self._path
            )

    def _make_spec(self, options: WriteOptions) -> EncodeSpec:
        spec = self._spec_of_samples(options)
        if spec.palette is None or can_store(self._format, INDEXED, self._header.dtype):
            return spec
        self.warnings.append(
            Dropped(f"{self._format} cannot store a palette: the same colours are written as RGB", Loss.PALETTE)
        )
        return spec._replace(mode="RGBA" if spec.palette.alpha else "RGB", expands_palette=True)

    def _spec_of_samples(self, options: WriteOptions) -> EncodeSpec:
        header = self._header
        size = (self._axes["x"].size, self._axes["y"].size)
        if isinstance(header.metadata, PictureInfo):
            info = header.metadata
            metadata, dropped = carry_over(header, info, self._container)
            spec = EncodeSpec(size, info.mode, metadata, info.palette, False, info.bits, header.history, options)
        else:
            mode = self._mode_of_array()
            metadata, dropped = from_header(header, self._axes, self._container)
            spec = EncodeSpec(size, mode, metadata, None, False, 1 if mode == "1" else 8, header.history, options)
        metadata, changed = update_for_output(spec, self._axes, self._format)
        self.warnings += dropped + changed
        return spec._replace(metadata=metadata)

    @property
    def _container(self) -> str:
        """The key of the format in `metadata`: a raw JPEG 2000 codestream stores less metadata than a JP2 file."""
        is_raw = self._format == "JPEG2000" and self._path.suffix.lower() in CODESTREAM_SUFFIXES
        return "JPEG2000 codestream" if is_raw else self._format

    def _mode_of_array(self) -> str:
        header = self._header
        if header.colours not in (None, "L", "LA", "RGB", "RGBA", "CMYK"):
            raise OutputError(f"{header.colours} cannot be written as a picture; write .tif or .npy", self._path)
        dtype = header.dtype.newbyteorder("=")
        channels = self._axes["s"].size if "s" in self._axes else 1
        if channels == 1 and "s" not in self._axes and dtype in _GREY_MODES:
            return _GREY_MODES[dtype]
        if dtype in (np.uint8, np.uint16, np.float32) and 2 <= channels <= 4:
            if channels in (2, 4) and not header.alpha and header.colours != "CMYK":
                self.warnings.append(
                    "the last sample of each pixel is written as alpha, but the colours were not weighted by it"
                )
            return "CMYK" if channels == 4 and header.colours == "CMYK" else ("LA", "RGB", "RGBA")[channels - 2]
        what = _described(dtype, "grey" if channels == 1 else f"pixels of {channels} samples")
        remedy = ", or add --dtype uint8 --rescale" if channels <= 4 and dtype.kind in "iuf" else ""
        raise OutputError(f"a picture cannot hold {what}; write .tif or .npy{remedy}", self._path)

    def _check_format_limits(self) -> None:
        mode, dtype, palette = self._spec.mode, self._header.dtype, self._spec.palette
        if not can_store(self._format, mode, dtype):
            alpha_only = mode in ALPHA and can_store(self._format, mode.removesuffix("A"), dtype)
            remedy = "write .png" if can_store("PNG", mode, dtype) else "write .tif"
            remedy += ", or put transparent pixels on a colour with --background white" if alpha_only else ""
            remedy += "" if alpha_only else self._other_dtype()
            what = "transparency" if alpha_only else _described(dtype, mode if mode in CHANNELS else "grey")
            raise OutputError(f"{self._format} cannot hold {what}; {remedy}", self._path)
        self._check_sizes()
        if self._format == "GIF" and palette is not None:
            from . import gif

            if gif.transparent_entry(palette) == -1:
                raise OutputError("GIF cannot hold partially transparent palette colours; write .png", self._path)

    def _other_dtype(self) -> str:
        """The advice to convert the samples to a data type that the format stores; empty if there is none."""
        modes = {"uint8": "L", "float32": "F"} if self._spec.mode not in CHANNELS else {}
        for name in ("uint8", "float32"):
            dtype = np.dtype(name)
            if dtype != self._header.dtype and can_store(self._format, modes.get(name, self._spec.mode), dtype):
                return f", or add --dtype {name} --rescale"
        return ""

    def _check_sizes(self) -> None:
        if self._format == "ICNS":
            from . import icons

            if self._spec.size[0] != self._spec.size[1] or self._spec.size[0] not in icons.SIZES:
                known = ", ".join(map(str, icons.SIZES))
                raise OutputError(f"ICNS holds squares of {known} pixels; choose one with --size", self._path)

    def _add_encoder_warnings(self) -> None:
        if self._format == "GIF":
            self._add_gif_warnings()
        if self._format == "JPEG XL" and self._spec.metadata.animation is not None:
            self.warnings.append(
                Dropped("frame durations are dropped: they cannot be written to JPEG XL", Loss.ANIMATION)
            )
        if self._spec.options.quality is not None and self._format not in _WITH_QUALITY:
            self.warnings.append(f"--quality has no effect on {self._format}, which keeps all values")
        if self._header.labels and self._format in _LOSSY and not self._is_lossless():
            self.warnings.append(f"{self._format} is lossy and changes labels; write .png to keep them")

    def _is_lossless(self) -> bool:
        if self._format != "WEBP":
            return False
        from . import webp

        return webp.is_lossless(self._spec)

    def _add_gif_warnings(self) -> None:
        mode, info = self._spec.mode, self._header.metadata
        picked = isinstance(info, PictureInfo) and info.copies_samples  # so that no new colours appear
        at_most_256_colours = picked and self._spec.metadata.at_most_256_colours
        clear_or_opaque = isinstance(info, PictureInfo) and picked and info.format == "GIF"
        durations = () if self._spec.metadata.animation is None else self._spec.metadata.animation.durations
        if any(round(duration, 3) % 10 for duration in durations):
            self.warnings.append(
                Dropped("GIF stores durations in hundredths of a second: frame durations are rounded", Loss.ANIMATION)
            )
        if mode in CHANNELS and not at_most_256_colours:
            self.warnings.append("GIF allows 256 colours per frame: frames with more are reduced to 256")
        if mode in ALPHA and not clear_or_opaque:
            self.warnings.append(
                Dropped(
                    "GIF has no partial transparency: pixels become opaque, or transparent if alpha is below one half",
                    Loss.ALPHA,
                )
            )

    def write(self, paths: Sequence[Path], arrays: Iterable[Iterable[Array]]) -> None:
        """Encode the picture; see `Sink`."""
        shape = [axis.size for axis in self._axes.values()]
        frames = self._collect(next(iter(arrays))).reshape(shape if "t" in self._axes else [1, *shape])
        spec = self._spec
        if spec.expands_palette:
            frames, spec = expanded(frames, spec), spec._replace(palette=None)
        with paths[0].open("wb") as file:
            if self._format in _WRITERS:
                module, _, function = _WRITERS[self._format].partition(":")
                getattr(import_module(f".{module}", __package__), function or "write")(file, frames, spec)
            else:
                from . import pillow_formats

                pillow_formats.write(file, frames, spec, self._format)

    def _collect(self, slabs: Iterable[Array]) -> Array:
        """The whole array; it usually comes as a single slab, which is not copied."""
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


def _described(dtype: np.dtype[Any], what: str) -> str:
    """Samples in words, such as ``16-bit grey``."""
    kinds = {"b": "bilevel ", "u": f"{8 * dtype.itemsize}-bit ", "i": f"signed {8 * dtype.itemsize}-bit "}
    return {"f": "floating-point ", "c": "complex "}.get(dtype.kind, kinds.get(dtype.kind, "")) + what


def _format_of(path: Path) -> str:
    """Pillow's name of the format for a suffix.

    Raises:
        OutputError: Pillow cannot write such files.
    """
    suffix = path.suffix.lower()
    if suffix in _COMMON_SUFFIXES:
        return _COMMON_SUFFIXES[suffix]
    from PIL import Image  # slow import: registers all formats

    format_name = Image.registered_extensions().get(suffix)
    if format_name is None or format_name not in Image.SAVE or format_name not in Image.OPEN:  # such as PDF
        known = "png, jpg, webp, gif, tif, nii.gz, npy"
        raise OutputError(
            f"cannot write files with the suffix {path.suffix!r}; use {known} or another common suffix", path
        )
    return format_name
