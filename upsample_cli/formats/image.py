"""Pictures by Pillow: PNG, JPEG, WebP, BMP, PPM, GIF and whatever else it reads and writes."""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from PIL import ExifTags, Image, PngImagePlugin, UnidentifiedImageError

from ..errors import InputError, OutputError
from ..geometry import Axis, Grid
from .base import Array, Header, InMemory, ReadOptions, WriteOptions, lost, only

Image.MAX_IMAGE_PIXELS = None  # what is too large is refused by its predicted memory, with a number and a remedy

_ZLIB_RLE = 3  # zlib's name for it is Z_RLE
_INCH = 25.4  # millimetres
_DTYPES = {"1": np.bool_, "I;16": np.uint16, "I;16B": np.uint16, "I;16L": np.uint16, "I": np.int32, "F": np.float32}
_CHANNELS = {"LA": 2, "RGB": 3, "RGBA": 4, "CMYK": 4}
_ALPHA = ("LA", "RGBA")
_UPRIGHT = {  # what undoes the orientations of EXIF
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_TURNED = (5, 6, 7, 8)  # the orientations in which width and height change places
_CARRIED = ("icc_profile", "exif", "dpi")
_WITHOUT_MEANING = {  # entries of `Image.info` that tell of the encoding, or are applied to the samples
    *(
        "adobe",
        "adobe_transform",
        "background",
        "bbox",
        "blend",
        "compression",
        "default_image",
        "disposal",
        "duration",
    ),
    *("extension", "interlace", "jfif", "jfif_density", "jfif_unit", "jfif_version", "lossless", "loop", "mp"),
    *("photoshop", "progression", "progressive", "srgb", "timestamp", "transparency", "version"),
}
_SAVE_OPTIONS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95},
    "WEBP": {"quality": 95},
}


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a picture says beside its samples.

    Attributes:
        mode: Pillow's mode of the samples.
        palette: of indices that are kept as they are.
        save: arguments of `Image.save`: ICC profile, EXIF, transparent index.
    """

    mode: str
    palette: Any = None
    save: dict[str, Any] = field(default_factory=dict)


class ImageSource(InMemory):
    """A picture; see `Source`."""

    def __init__(self, path: Path, options: ReadOptions) -> None:
        super().__init__()
        self._path = path
        self.warnings: list[str] = []
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of small faults in metadata, which Pillow survives
                self._image = Image.open(path)
        except UnidentifiedImageError:
            raise InputError("is not a picture, TIFF, NIfTI or .npy file that can be read", path) from None
        except Exception as error:  # decoders raise whatever the bytes lead them into
            raise InputError(f"is not a readable picture: {error}", path) from error
        try:
            self.header = self._read_header(options)
        except InputError:
            self._image.close()
            raise
        except Exception as error:
            self._image.close()
            raise InputError(f"is not a readable picture: {error}", path) from error

    def _read_header(self, options: ReadOptions) -> Header:
        image = self._image
        exif = Image.Exif()
        if isinstance(image, PngImagePlugin.PngImageFile):
            exif.load(image.info.get("exif", b""))  # `getexif` would decode the picture to look behind it
        else:
            exif = image.getexif()
        self._orientation = exif.get(ExifTags.Base.Orientation, 1)
        self._mode = self._target_mode(options.keep_indices)
        if options.axes is not None:
            self.warnings.append("--axes is ignored: a picture names its axes")
        (width, height), dpi = image.size, _dpi(image, exif)
        if self._orientation in _TURNED:
            width, height = height, width
            dpi.reverse()
        spacing = [_INCH / value for value in dpi] if min(dpi) > 0 else [None, None]
        unit = "mm" if min(dpi) > 0 else None
        axes = [Axis("y", height, spacing[1], unit), Axis("x", width, spacing[0], unit)]
        if self._mode in _CHANNELS:
            axes.append(Axis("s", _CHANNELS[self._mode]))
        self._warn_of_loss()
        return Header(
            Grid(tuple(axes)),
            np.dtype(_DTYPES.get(self._mode, np.uint8)),
            alpha=self._mode in _ALPHA,
            colours=self._mode if self._mode in _CHANNELS else None,
            metadata=self._metadata(exif),
        )

    def _target_mode(self, keep_indices: bool) -> str:
        """The mode in which the samples are resized: palettes and bits have no values in between."""
        mode = self._image.mode
        transparent = "transparency" in self._image.info
        if mode == "1":
            return "1" if keep_indices else self._become("L", "two levels become grey")
        if mode in ("P", "PA"):
            if mode == "P" and keep_indices:
                return "P"
            has_alpha = mode == "PA" or transparent
            return self._become("RGBA" if has_alpha else "RGB", "the palette becomes colours")
        if transparent and mode in ("L", "RGB"):
            return "LA" if mode == "L" else "RGBA"
        if mode == "I" and self._image.format == "PPM":  # a grey map of 16 bits
            return "I;16"
        if mode in ("La", "RGBa"):
            return mode.upper()
        if mode in ("L", *_DTYPES, *_CHANNELS):
            return mode
        raise InputError(f"is a picture of mode {mode}, which is not supported", self._path)

    def _become(self, mode: str, what: str) -> str:
        self.warnings.append(f"{what} ({mode}), so that there are values in between; --mode nearest keeps them")
        return mode

    def _metadata(self, exif: Image.Exif) -> Metadata:
        info = self._image.info
        save = {"icc_profile": info["icc_profile"]} if info.get("icc_profile") else {}
        if len(exif):
            save["exif"] = exif.tobytes()
        if self._mode != "P":
            return Metadata(self._mode, save=save)
        if "transparency" in info:
            save["transparency"] = info["transparency"]
        palette = self._image.palette
        if palette is None:
            raise InputError("has palette indices but no palette", self._path)
        return Metadata("P", (palette.mode, palette.getdata()[1]), save)

    def _warn_of_loss(self) -> None:
        image = self._image
        frames = getattr(image, "n_frames", 1)
        if frames > 1:
            self.warnings.append(f"only the first of {frames} frames is resized")
        lost = sorted(str(key) for key in image.info if key not in _CARRIED and key not in _WITHOUT_MEANING)
        if lost:
            self.warnings.append(f"these entries of its metadata are dropped: {', '.join(lost)}")
        if isinstance(image, PngImagePlugin.PngImageFile) and _says_more_behind_its_pixels(self._path):
            self.warnings.append("what its file says behind the pixels (text or EXIF) is dropped")
        if isinstance(image, PngImagePlugin.PngImageFile) and _png_depth(self._path) == 16 and image.mode[:2] != "I;":
            self.warnings.append("16-bit colours are read with 8 bits; 16-bit grey keeps its depth")

    def load(self) -> Array:
        """Decode the picture and turn it upright."""
        try:
            self._image.load()
            image: Image.Image = self._image
            if self._orientation in _UPRIGHT:
                image = image.transpose(_UPRIGHT[self._orientation])
            if image.mode != self._mode and image.mode != "I":
                image = image.convert(self._mode)
            array = np.asarray(image)
            return array.view(np.uint8) != 0 if self._mode == "1" else array.astype(self.header.dtype, copy=False)
        except Exception as error:
            raise InputError(f"cannot be read to its end: {error}", self._path) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._array = None
        self._image.close()


class ImageSink:
    """A picture; see `Sink`."""

    pyramids = False
    copies = 2.4  # the array and Pillow's picture of it, in which RGB takes four bytes
    compresses = True

    def __init__(self, path: Path, headers: Sequence[Header], options: WriteOptions) -> None:
        header = only(headers, path)
        self._path = path
        self._header = header
        self.warnings: list[str] = []
        extensions = Image.registered_extensions()
        format_name = extensions.get(path.suffix.lower())
        if format_name is None or format_name not in Image.SAVE:
            known = "png, jpg, webp, tif, nii.gz, npy"
            raise OutputError(f"no file with the suffix {path.suffix!r} can be written; {known} and others can", path)
        self._format: str = format_name
        self._metadata = self._describe()
        self._refuse_what_does_not_fit()

    def _describe(self) -> Metadata:
        header = self._header
        if isinstance(header.metadata, Metadata):
            return header.metadata
        if header.colours not in (None, "RGB", "CMYK"):
            raise OutputError(f"{header.colours} cannot become a picture as it is; write .tif or .npy", self._path)
        if header.metadata is not None:
            self.warnings.append("only the samples are carried over to a picture")
        self.warnings += lost(header, "a picture")
        if set(header.grid.names) - set("yxs") or header.grid.names[:2] != ("y", "x"):
            axes = "".join(header.grid.names)
            raise OutputError(f"a picture has the axes y and x, not {axes}; write .tif, .nii.gz or .npy", self._path)
        return Metadata(self._mode_of_array())

    def _mode_of_array(self) -> str:
        dtype, names = self._header.dtype.newbyteorder("="), self._header.grid.names
        channels = self._header.grid["s"].size if "s" in names else 1
        if dtype == np.uint8 and channels <= 4:
            if channels == 4 and self._header.colours == "CMYK":
                return "CMYK"
            return ("L", "LA", "RGB", "RGBA")[channels - 1]
        for mode in ("1", "I;16", "I", "F"):
            if channels == 1 and dtype == _DTYPES[mode]:
                return mode
        raise OutputError(f"a picture cannot hold {channels} × {dtype} in a pixel; write .tif or .npy", self._path)

    def _refuse_what_does_not_fit(self) -> None:
        mode = self._metadata.mode
        if not _holds(self._format, mode):
            remedy = "write .png" if mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16") else "write .tif"
            raise OutputError(f"{self._format} cannot hold pixels of mode {mode}; {remedy}", self._path)
        longest = {"JPEG": 65_500, "WEBP": 16_383, "GIF": 65_535}.get(self._format)
        sizes = [self._header.grid[name].size for name in ("x", "y")]
        if longest is not None and max(sizes) > longest:
            raise OutputError(
                f"{self._format} holds no more than {longest:,} pixels along a side, not {max(sizes):,}; write .png",
                self._path,
            )
        if self._format == "GIF" and mode not in ("1", "L", "P"):
            self.warnings.append("GIF holds 256 colours: the picture is reduced to as many")

    def write(self, paths: Sequence[Path], arrays: Iterable[Iterable[Array]]) -> None:
        """Encode the picture; see `Sink`."""
        (slabs,) = arrays
        metadata, grid = self._metadata, self._header.grid
        array, filled = np.empty(grid.shape, self._header.dtype), 0
        for slab in slabs:
            array.reshape(-1)[filled : filled + slab.size] = slab.reshape(-1)
            filled += slab.size
        image = _to_image(array, metadata)
        save = dict(metadata.save) | _SAVE_OPTIONS.get(self._format, {})
        spacing = [grid[name].spacing for name in ("x", "y")]
        dpi = tuple(_INCH / value for value in spacing if value and grid["x"].unit == "mm")
        if len(dpi) == 2:
            save["dpi"] = dpi
        if "exif" in save:
            save["exif"] = _updated_exif(save["exif"], image.size, dpi)
        if self._format == "GIF" and metadata.mode == "RGB":
            image = image.quantize()
        if self._format == "PNG" and metadata.mode == "RGB" and _has_no_runs(array):
            save["compress_type"] = _ZLIB_RLE
        with paths[0].open("wb") as file:
            image.save(file, self._format, **save)


def _has_no_runs(array: Array) -> bool:
    """Whether most neighbours differ, on every sixteenth row: as in photographs, but for those enlarged by nearest.

    There zlib's search for repetitions takes five times as long as its run-length strategy, and gains 3 %.
    """
    rows = array[::16]
    return rows.shape[1] > 1 and bool((rows[:, 1:] == rows[:, :-1]).all(axis=-1).mean() < 0.5)


@cache
def _holds(format_name: str, mode: str) -> bool:
    """Whether a format gives back pixels of a mode without loss of depth, colour or alpha: tried on a single one."""
    written = io.BytesIO()
    try:
        Image.new(mode, (1, 1)).save(written, format_name)
        with Image.open(written) as image:
            read, size, transparent = image.mode, image.size, "transparency" in image.info
    except Exception:  # encoders refuse in many ways
        return False
    deep = mode in ("I", "F") or mode.startswith("I;16")
    return (
        size == (1, 1)  # icons have sizes of their own
        and (not deep or read in ("I", "F") or read.startswith("I;16"))
        and (mode not in _ALPHA or read in _ALPHA or transparent)
        and (mode not in _CHANNELS or mode in _ALPHA or read in (*_CHANNELS, "P"))
        and (mode != "CMYK" or read == "CMYK")
    )


def _to_image(array: Array, metadata: Metadata) -> Image.Image:
    if metadata.mode == "1":
        return Image.fromarray(array)
    size = (array.shape[1], array.shape[0])
    native = np.ascontiguousarray(array, array.dtype.newbyteorder("="))
    mode = "I;16" if metadata.mode.startswith("I;16") else metadata.mode
    raw_mode = "I;16N" if mode == "I;16" else mode
    image = Image.frombuffer(mode, size, native, "raw", raw_mode, 0, 1)
    if metadata.palette is not None:
        image.putpalette(metadata.palette[1], metadata.palette[0])
    return image


def _dpi(image: Image.Image, exif: Image.Exif) -> list[float]:
    """Samples per inch along x and y, of the format or else of EXIF; 0 where neither says."""
    if "dpi" in image.info:
        return [float(value) for value in image.info["dpi"]]
    unit = {2: 1.0, 3: _INCH / 10}.get(exif.get(ExifTags.Base.ResolutionUnit, 2), 0.0)
    return [float(exif.get(tag, 0)) * unit for tag in (ExifTags.Base.XResolution, ExifTags.Base.YResolution)]


def _updated_exif(data: bytes, size: tuple[int, int], dpi: tuple[float, ...]) -> bytes:
    """EXIF that says of the output what it said of the input; orientation has been applied to the samples."""
    exif = Image.Exif()
    exif.load(data)
    exif.pop(ExifTags.Base.Orientation, None)
    details = exif.get_ifd(ExifTags.IFD.Exif)
    new = dict(zip((ExifTags.Base.ExifImageWidth, ExifTags.Base.ExifImageHeight), size, strict=True))
    details.update((tag, value) for tag, value in new.items() if tag in details)
    for tag, value in zip((ExifTags.Base.XResolution, ExifTags.Base.YResolution), dpi, strict=False):
        if tag in exif:
            exif[tag] = value
            exif[ExifTags.Base.ResolutionUnit] = 2  # inches
    return exif.tobytes()


def _says_more_behind_its_pixels(path: Path) -> bool:
    """Whether a PNG has text or EXIF where Pillow finds them only after decoding all of it."""
    pixels = False
    with path.open("rb") as file:
        file.seek(8)
        while len(head := file.read(8)) == 8:
            length, name = struct.unpack(">I4s", head)
            pixels = pixels or name == b"IDAT"
            if pixels and name in (b"tEXt", b"zTXt", b"iTXt", b"eXIf"):
                return True
            file.seek(length + 4, io.SEEK_CUR)
    return False


def _png_depth(path: Path) -> int:
    with path.open("rb") as file:
        return file.read(25)[24]  # the signature, then the IHDR chunk: length, type, width, height, depth


open_source, make_sink = ImageSource, ImageSink
