"""Writes pictures and animations."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path

import numpy as np

from ...errors import OutputError
from ...geometry import Axis
from ..base import Array, Header, WriteOptions, single_header
from ..dropped import Dropped, Loss
from .metadata import carry_over, from_header, update_for_output
from .model import ALPHA, CHANNELS, INDEXED, EncodeSpec, PictureInfo
from .modes import can_store
from .pixels import expanded

_WRITERS = {  # modules by format; `pillow_formats` writes others
    "PNG": "png.writer",
    "JPEG": "jpeg",
    "WEBP": "webp",
    "GIF": "gif",
    "BMP": "bmp",
    "PPM": "netpbm",
    "PAM": "pam",
    "SGI": "sgi",
    "HDR": "radiance",
    "JPEG XL": "jpegxl",
    "HEIF": "heif",
    "ICNS": "icns",
    "JPEG2000": "jp2",
}
_COMMON_SUFFIXES = {
    **{".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".gif": "GIF"},
    ".mpo": "JPEG",  # an MPO with a single picture is a JPEG
    **{".jxl": "JPEG XL", ".heic": "HEIF", ".heif": "HEIF", ".pam": "PAM", ".rgbe": "HDR"},  # not Pillow's
}
_ANIMATED = ("PNG", "WEBP", "GIF", "AVIF", "JPEG XL")
_MAX_ANY_SIDE_PIXELS = 2**31 - 1  # of PNG; most other formats have 32-bit fields as well
_MAX_SIDE_PIXELS = {"JPEG": 65_500, "WEBP": 16_383, "GIF": 65_535, "ICO": 256}
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
# Peak memory of encoders, without the array itself, per pixel, sample or byte; measured on photographs.
_BYTES_PER_PIXEL = {"WEBP": 15.0, "AVIF": 27.0, "GIF": 3.0, "JPEG XL": 44.0, "HEIF": 30.0}
_BYTES_PER_SAMPLE = {"JPEG2000": 14.0}
_BYTES_PER_BYTE = {"PPM": 1.0, "PAM": 1.0, "SGI": 2.0, "HDR": 1.5}
_ALPHA_BYTES_PER_PIXEL = {"WEBP": 14.0, "JPEG XL": 16.0}  # in addition
_LOSSLESS_WEBP_BYTES_PER_PIXEL = 43.0
_QUANTISER_BYTES_PER_PIXEL = 17.0
_REORDERED_BYTES_PER_BYTE = 2.0  # for BMP with alpha
_PACKING_BYTES_PER_PIXEL = 5.0  # of indices and bits in PNG
_PILLOW_BYTES_PER_PIXEL = {"RGB": 4.0, "LA": 4.0}  # of Pillow's image; in other modes it shares the array's memory
_JPEG_BYTES_PER_BYTE = 0.25  # of the encoded file
_PROGRESSIVE_BYTES_PER_PIXEL = 3.0  # of DCT coefficients
_LIBRARY_BYTES = {"PNG": 8 << 20, "AVIF": 14 << 20, "JPEG XL": 8 << 20, "GIF": 8 << 20}


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
        self.memory_factor = self._estimate_memory()

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
            other = ".png" if size <= _MAX_ANY_SIDE_PIXELS else ".tif"
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
        is_raw = self._format == "JPEG2000" and self._path.suffix.lower() in (".j2k", ".j2c", ".jpc")
        return "JPEG2000 codestream" if is_raw else self._format

    def _mode_of_array(self) -> str:
        header = self._header
        if header.colours not in (None, "RGB", "CMYK"):
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
        raise OutputError(f"a picture cannot hold pixels of {channels} × {dtype}; write .tif or .npy", self._path)

    def _check_format_limits(self) -> None:
        mode, dtype, palette = self._spec.mode, self._header.dtype, self._spec.palette
        if not can_store(self._format, mode, dtype):
            alpha_only = mode in ALPHA and can_store(self._format, mode.removesuffix("A"), dtype)
            depth = {"u2": "16-bit ", "f4": "floating-point "}.get(dtype.str[1:], "") if mode in CHANNELS else ""
            what = f"{depth}{mode}" if depth else f"pixels of mode {mode}"
            remedy = "write .png" if can_store("PNG", mode, dtype) else "write .tif"
            remedy += ", or put transparent pixels on a colour with --background white" if alpha_only else ""
            remedy += ", or add --dtype uint8 --rescale" if depth else ""
            what = "transparency" if alpha_only else what
            raise OutputError(f"{self._format} cannot hold {what}; {remedy}", self._path)
        self._check_sizes()
        if self._format == "GIF" and palette is not None:
            from . import gif

            if gif.transparent_entry(palette) == -1:
                raise OutputError("GIF cannot hold partially transparent palette colours; write .png", self._path)

    def _check_sizes(self) -> None:
        if self._format == "ICNS":
            from . import icns

            if self._spec.size[0] != self._spec.size[1] or self._spec.size[0] not in icns.SIZES:
                known = ", ".join(map(str, icns.SIZES))
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

    def _is_progressive(self) -> bool:
        from . import jpeg

        return jpeg.is_progressive(self._spec)

    def _add_gif_warnings(self) -> None:
        mode, info = self._spec.mode, self._header.metadata
        picked = isinstance(info, PictureInfo) and info.copies_samples  # then its colours are those of the input
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

    def _estimate_memory(self) -> float:
        """Peak memory of the array and the encoder, in units of the size of the array."""
        header = self._header
        frames = self._axes["t"].size if "t" in self._axes and self._format in _WRITERS else 1
        pixel = header.dtype.itemsize * (self._axes["s"].size if "s" in self._axes else 1)
        pixels = math.prod(self._spec.size)
        encoder = self._encoder_bytes_per_pixel(pixel) * pixels + _LIBRARY_BYTES.get(self._format, 0)
        return 1 + encoder / (pixel * pixels * frames)

    def _encoder_bytes_per_pixel(self, pixel: int) -> float:
        """Peak memory of the encoder in bytes per pixel of a frame; the samples of a pixel take `pixel` bytes."""
        spec, name = self._spec, self._format
        if name == "PNG":
            packs = spec.mode == INDEXED or spec.bits < 8
            encoded = pixel if spec.metadata.animation is not None else 0  # a still picture is encoded in bands
            return _PACKING_BYTES_PER_PIXEL if packs else encoded
        if name == "GIF" and "s" in self._axes:
            return _QUANTISER_BYTES_PER_PIXEL
        if name == "WEBP" and self._is_lossless():
            return _LOSSLESS_WEBP_BYTES_PER_PIXEL
        if name in _BYTES_PER_PIXEL:
            alpha = _ALPHA_BYTES_PER_PIXEL.get(name, 0.0) if spec.mode in ALPHA else 0.0
            return _BYTES_PER_PIXEL[name] + alpha
        if name in _BYTES_PER_SAMPLE:
            return _BYTES_PER_SAMPLE[name] * pixel / self._header.dtype.itemsize
        if name in _BYTES_PER_BYTE:
            return _BYTES_PER_BYTE[name] * pixel
        if name == "BMP" and spec.mode == "RGBA":
            return _REORDERED_BYTES_PER_BYTE * pixel
        compressed = _JPEG_BYTES_PER_BYTE * pixel
        if name == "JPEG" and self._is_progressive():
            compressed += _PROGRESSIVE_BYTES_PER_PIXEL
        return _PILLOW_BYTES_PER_PIXEL.get(spec.mode, 0.0) + compressed

    def write(self, paths: Sequence[Path], arrays: Iterable[Iterable[Array]]) -> None:
        """Encode the picture; see `Sink`."""
        shape = [axis.size for axis in self._axes.values()]
        frames = self._collect(next(iter(arrays))).reshape(shape if "t" in self._axes else [1, *shape])
        spec = self._spec
        if spec.expands_palette:
            frames, spec = expanded(frames, spec), spec._replace(palette=None)
        with paths[0].open("wb") as file:
            if self._format in _WRITERS:
                import_module(f".{_WRITERS[self._format]}", __package__).write(file, frames, spec)
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
