"""Reads pictures and animations."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np

from ...errors import InputError, reason
from ...geometry import Axis, Grid
from ..base import Array, Header, InMemory, ReadOptions
from ..dropped import Dropped, Loss
from .input_metadata import SIDES_SWAPPED, foreign_items, upright_metadata
from .model import (
    ALPHA,
    CHANNELS,
    INDEXED,
    PNG_SIGNATURE,
    Animation,
    Palette,
    Picture,
    PictureInfo,
    PictureMetadata,
    PixelKind,
)
from .modes import bits_per_sample, choose_mode
from .pixels import from_image

if TYPE_CHECKING:
    from PIL import Image

    from . import gif
    from .png import reader

_DTYPES = {"1": np.bool_, "I;16": np.uint16, "I": np.int32, "F": np.float32}
_ORIENT: dict[int, Callable[[Array], Array]] = {  # by EXIF orientation: functions that turn the picture upright
    2: lambda rows: rows[:, ::-1],
    3: lambda rows: rows[::-1, ::-1],
    4: lambda rows: rows[::-1],
    5: lambda rows: rows.swapaxes(0, 1),
    6: lambda rows: rows[::-1].swapaxes(0, 1),
    7: lambda rows: rows[::-1, ::-1].swapaxes(0, 1),
    8: lambda rows: rows[:, ::-1].swapaxes(0, 1),
}
_JPEG_FORMATS = ("JPEG", "MPO")  # Pillow calls JPEG files with several pictures MPO
_JPEG_SIGNATURE = b"\xff\xd8\xff"
_SMALL_JPEG_BYTES = 4 << 20  # files up to this size are read once, as a whole; so few bytes are not counted as memory
# Measured peak memory of decoding, as a multiple of the size of the samples; of animations, in RGBA canvases.
_WHOLE_FILES = ("JPEG XL", "HEIF", "HDR", "JPEG2000")  # formats whose decoders need the whole file in memory
_DECODER_FACTORS = {
    **{"WEBP": 5.8, "JPEG2000": 5.0, "AVIF": 3.2, "JPEG XL": 1.5, "PPM": 1.2, "PAM": 1.2, "SGI": 2.4, "HDR": 1.6},
    **{"BMP": 4.8, "HEIF": 3.5, "EXR": 3.2},
}
_DIRECT_FACTOR = 1.0  # of `jpeg_codec`
_INTERLACED_FACTOR = 4.5
_PILLOW_FACTOR = 2.4  # Pillow's image and the array
_CANVASES, _MAX_CANVASES = {"GIF": 3.7, "PNG": 5.5}, 6.0
_JPEG_FACTORS = (8, 4, 2)


class PictureSource(InMemory):
    """`Source` of a picture or an animation."""

    def __init__(self, path: Path, options: ReadOptions) -> None:
        super().__init__()
        self._path = path
        self._truncated = options.truncated
        self._factor = 1  # of the current draft; 1 for full size
        self._decodes_directly = False  # without Pillow
        self._tolerant = False  # whether missing samples keep the decoder's fill values
        self._is_padded = False
        self.warnings: list[str] = []
        self._png: reader.Structure | None = None
        self._gif: gif.Layout | None = None
        self._own: Picture | None = None
        self._data: bytes | None = None  # of a small JPEG file, until it is decoded
        try:
            self.header = self._read_header(options)
        except (InputError, MemoryError):
            self._close_image()
            raise
        except Exception as error:  # decoders raise various exceptions for damaged files
            self._close_image()
            raise InputError(f"is not a readable picture: {reason(error)}", path) from error

    @cached_property
    def _image(self) -> Image.Image:
        """The picture opened by Pillow; not needed for formats that modules of this package decode."""
        from . import opening

        if self._tolerant and self._pixel_kind.format == "WEBP":  # libwebp rejects truncated files
            from . import webp

            return opening.Image.open(io.BytesIO(webp.completed(self._path.read_bytes())))
        return opening.open_image(self._path, self._data or self._completed_avif())

    def _completed_avif(self) -> bytes | None:
        """A truncated AVIF file, padded with zeros; None for other files. Pillow opens none that is truncated."""
        with self._path.open("rb") as file:
            if file.read(8)[4:] != b"ftyp":
                return None
            from . import avif

            data = avif.completed(file)
        if data is not None and not self._truncated:
            raise InputError("is truncated; --truncated reads what is there", self._path)
        self._is_padded = data is not None
        return data

    def _close_image(self) -> None:
        image: Image.Image | None = self.__dict__.pop("_image", None)
        if image is not None:
            image.close()

    def _read_header(self, options: ReadOptions) -> Header:
        self._pixel_kind, metadata, opaque = self._identify()
        is_upright = self._own is not None and self._own.upright
        if min(self._pixel_kind.size) < 1:
            raise ValueError("its header is invalid: {}×{} pixels".format(*self._pixel_kind.size))
        metadata, self._orientation = upright_metadata(metadata, is_upright)
        self._frames = len(metadata.animation.durations) if metadata.animation is not None else 1
        mode, conversions = choose_mode(self._pixel_kind, self._png, options.keep_indices, self._frames > 1, opaque)
        if mode is None:
            raise InputError(f"has the pixel mode {self._pixel_kind.mode}, which is not supported", self._path)
        self._mode = mode
        self.warnings += [*metadata.warnings, *conversions]
        if options.axes is not None:
            self.warnings.append("--axes is ignored: the axes of pictures are fixed")
        grid = self._grid(metadata)
        info = PictureInfo(
            "JPEG" if self._pixel_kind.format in _JPEG_FORMATS else self._pixel_kind.format,
            self._mode,
            grid,
            metadata,
            self._palette() if self._mode == INDEXED else None,
            bits_per_sample(self._mode, self._png, options.keep_indices),
            options.keep_indices,
        )
        header = Header(
            grid,
            np.dtype(self._pixel_kind.dtype or _DTYPES.get(self._mode, "u1")),
            alpha=self._mode in ALPHA,
            colours=self._mode if self._mode in CHANNELS else None,
            icc=metadata.icc,
            metadata=info,
            foreign_items=foreign_items(info),
        )
        self.memory_factor = self._estimate_memory(header)
        return header

    def _estimate_memory(self, header: Header) -> float:
        """See `Source.memory_factor`."""
        size = math.prod(header.grid.shape) * header.dtype.itemsize
        if self._frames > 1 and self._own is None:
            canvas_bytes = 4 * header.dtype.itemsize * math.prod(self._pixel_kind.size)
            return 1.0 + _CANVASES.get(self._pixel_kind.format, _MAX_CANVASES) * canvas_bytes / size
        factor = _DECODER_FACTORS.get(self._pixel_kind.format, _PILLOW_FACTOR)
        if self._png is not None and not self._png.interlaced and self._png.depth >= 8 and self._mode != INDEXED:
            compressed = sum(length for _, length in self._png.pixels) / size
            factor = max(1 + compressed, 2 * compressed)
        elif self._png is not None and self._png.interlaced:
            factor = _INTERLACED_FACTOR
        if self._decodes_directly:
            factor = _DIRECT_FACTOR
        if self._data is None and (self._decodes_directly or self._pixel_kind.format in _WHOLE_FILES):
            factor += self._path.stat().st_size / size
        return factor + (1.0 if self._orientation in _ORIENT else 0.0)

    def _identify(self) -> tuple[PixelKind, PictureMetadata, bool]:
        """Format and pixel type, metadata, and whether all pixels of an animation are known to be opaque."""
        from .padding import LimitedReader

        with self._path.open("rb") as opened:  # import only the module of this format
            file = cast(BinaryIO, LimitedReader(opened))
            start = file.read(12)
            if start.startswith(_JPEG_SIGNATURE) and self._path.stat().st_size <= _SMALL_JPEG_BYTES:
                self._data = start + opened.read()
                return self._identify_with_pillow(io.BytesIO(self._data))
            if start.startswith(PNG_SIGNATURE):
                from .png import reader

                self._png, metadata = reader.read(file, self._truncated)
                return self._png.pixel_kind, metadata, bool(self._png.frames) and self._png.is_opaque
            if start.startswith(b"GIF8"):
                from . import gif

                self._gif, metadata = gif.read(file, self._truncated)
                return self._gif.kind, metadata, self._gif.is_opaque
            if start[8:] == b"WEBP":
                from . import webp

                kind, metadata = webp.read(file, self._truncated)
                return kind, metadata, kind.mode not in ALPHA
            from . import decoders, icons

            if start.startswith(icons.MAGIC):
                icons.check_sizes(file)
            self._own = decoders.read(file, self._path)
            if self._own is not None:
                return self._own.kind, self._own.metadata, False
            return self._identify_with_pillow(file)

    def _identify_with_pillow(self, file: BinaryIO) -> tuple[PixelKind, PictureMetadata, bool]:
        from .opening import without_size_limit

        with without_size_limit():
            image = self._image
            transparent = "transparency" in image.info or (image.palette is not None and image.palette.mode == "RGBA")
            kind = PixelKind(image.format or "", image.mode, image.size, transparent)
            if kind.format in _JPEG_FORMATS:
                from . import jpeg, jpeg_codec

                metadata = jpeg.read(cast(Any, image), file)
                self._decodes_directly = image.mode in ("L", "RGB") and jpeg_codec.suits(file, image.size)
            else:
                from . import pillow_formats

                metadata = pillow_formats.read(image, file)
        frames_left = getattr(image, "n_frames", 1) if metadata.animation is None else 1
        if frames_left > 1:
            lost = Dropped(f"only the first of {frames_left} frames is resized", Loss.ANIMATION)
            if kind.format == "PSD":
                lost = Dropped("its layers are dropped: the merged picture is resized", Loss.OTHER)
            metadata = metadata._replace(warnings=(*metadata.warnings, lost))
        return kind, metadata, image.mode not in ALPHA

    def _grid(self, metadata: PictureMetadata) -> Grid:
        width, height = self._pixel_kind.size
        if self._orientation in SIDES_SWAPPED:
            width, height = height, width
        x, y = metadata.spacing or (None, None)
        axes = [Axis("y", height, y, metadata.unit), Axis("x", width, x, metadata.unit)]
        if metadata.animation is not None:
            axes.insert(0, _time_axis(metadata.animation))
        if self._mode in CHANNELS:
            axes.append(Axis("s", CHANNELS[self._mode]))
        return Grid(tuple(axes))

    def _palette(self) -> Palette:
        if self._png is not None and self._png.palette is not None:
            return self._png.palette
        if self._gif is not None:
            transparent = self._gif.frames[0].transparent
            alpha = b"" if transparent is None else b"\xff" * transparent + b"\0"
            return Palette(self._gif.first_palette or b"", alpha)
        from .opening import palette_of

        palette = palette_of(self._image)
        if palette is None:
            raise InputError("has palette indices but no palette", self._path)
        return palette

    @property
    def draft_factors(self) -> Sequence[int]:
        """See `DraftSource`: the scales of JPEG's inverse DCT."""
        can_draft = self._pixel_kind.format in _JPEG_FORMATS and self._frames == 1 and not self._truncated
        return _JPEG_FACTORS if can_draft else ()

    @property
    def flipped_axes(self) -> Sequence[str]:
        """See `DraftSource`."""
        corner: Array = np.arange(4).reshape(2, 2)
        if self._orientation in _ORIENT:
            corner = _ORIENT[self._orientation](corner)
        return [name for name, second in (("y", corner[1, 0]), ("x", corner[0, 1])) if second < corner[0, 0]]

    def draft_shape(self, factor: int) -> tuple[int, ...]:
        """See `DraftSource`."""
        axes = self.header.grid.axes
        return tuple(-(-axis.size // factor) if axis.name in ("x", "y") else axis.size for axis in axes)

    def draft(self, factor: int) -> None:
        """See `DraftSource`."""
        if factor == self._factor:
            return
        self._close_image()
        self._factor, self._array = factor, None
        if factor > 1:
            width, height = self._pixel_kind.size
            cast(Any, self._image).draft(self._image.mode, (width // factor, height // factor))

    def load(self) -> Array:
        """Decode the picture, turned upright."""
        warning = "is damaged or truncated: missing samples have the values that the decoder leaves"
        try:
            rows = self._load(tolerant=False)
            self.warnings += [warning] if self._is_padded else []
            return rows
        except InputError:
            if not self._truncated:
                raise
        self.warnings.append(warning)
        return self._load(tolerant=True)

    def _load(self, tolerant: bool) -> Array:
        with ExitStack() as stack:
            if self._png is None and self._own is None:
                from .opening import tolerating_truncation, without_size_limit

                stack.enter_context(without_size_limit())
                if tolerant:
                    self._close_image()  # Pillow has decoded a part of it
                    self.__dict__.pop("_image", None)
                    self._tolerant = True
                    stack.enter_context(tolerating_truncation())
            try:
                if self._frames == 1:
                    return self._checked(self._apply_orientation(self._decode(tolerant)))
                return self._load_frames(tolerant)
            except MemoryError:
                raise
            except Exception as error:
                hint = "" if self._truncated else "; --truncated reads what is there"
                raise InputError(f"cannot be read to its end: {reason(error)}{hint}", self._path) from error

    def _checked(self, rows: Array) -> Array:
        """Check that the decoded samples have the shape of the header or the draft; decoders do not check it."""
        if rows.shape != self.draft_shape(self._factor):
            raise ValueError("the size of its samples differs from the size in its header")
        return rows

    def _load_frames(self, tolerant: bool) -> Array:
        """All frames; if `tolerant`, the last frame that can be decoded replaces all frames after it."""
        array = np.zeros(self.header.grid.shape, self.header.dtype)
        done = 0
        try:
            for frame in self._composited_frames(tolerant):
                rows = self._apply_orientation(frame)
                array[done, : len(rows), : rows.shape[1]] = rows
                done += 1
        except Exception as error:  # decoders raise various exceptions for damaged files
            if not tolerant or not done or isinstance(error, MemoryError):
                raise
            array[done:] = array[done - 1]
        return array

    def _apply_orientation(self, rows: Array) -> Array:
        rows = rows.astype(self.header.dtype, copy=False)
        return np.ascontiguousarray(_ORIENT[self._orientation](rows)) if self._orientation in _ORIENT else rows

    def _decode(self, tolerant: bool) -> Array:
        """The samples in their stored orientation."""
        if self._png is not None:
            from .png import decode

            with self._path.open("rb") as file:
                return decode.picture(file, self._png, self._mode, tolerant)
        if self._own is not None:
            from .padding import Padded

            with self._path.open("rb") as file:
                if tolerant and self._own.decode_part is not None:
                    rows = self._own.decode_part(file)
                else:
                    rows = self._own.decode(cast(BinaryIO, Padded(file)) if tolerant else file)
            return rows * np.uint8(255) if rows.dtype == bool and self._mode == "L" else rows
        direct = self._decode_jpeg() if self._decodes_directly and self._factor == 1 and not tolerant else None
        direct = self._decode_jpeg_2000(tolerant) if direct is None else direct
        rows = self._padded(self._convert()) if direct is None else direct
        self._close_image()  # its pixels take as much memory as the array
        self._data = None
        return rows

    def _decode_jpeg(self) -> Array | None:
        from . import jpeg_codec

        return jpeg_codec.decode(self._path.read_bytes() if self._data is None else self._data)

    def _padded(self, rows: Array) -> Array:
        """The frame of a GIF file on the whole canvas, which a later frame may have enlarged."""
        width, height = self._pixel_kind.size
        if self._gif is None or rows.shape[:2] == (height, width):
            return rows
        canvas = np.zeros((height, width, *rows.shape[2:]), rows.dtype)
        canvas[: len(rows), : rows.shape[1]] = rows
        return canvas

    def _decode_jpeg_2000(self, tolerant: bool) -> Array | None:
        """The samples of a complete JPEG 2000 file; None if Pillow must convert them."""
        if tolerant or self._pixel_kind.format != "JPEG2000":
            return None
        from . import jpeg2000

        with self._path.open("rb") as file:
            return jpeg2000.decoded(file, self._mode)

    def _convert(self) -> Array:
        """The current frame of Pillow's image in the mode in which it is resized."""
        image: Image.Image = self._image
        image.load()
        if image.mode == "LAB":
            from PIL import ImageCms

            lab, rgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
            image = ImageCms.applyTransform(image, ImageCms.buildTransform(lab, rgb, "LAB", "RGB")) or image
        if image.mode != self._mode and image.mode not in ("I", "I;16B"):
            image = image.convert(self._mode)
        array = from_image(image)
        return array.view(np.uint8) != 0 if self._mode == "1" else array

    def _composited_frames(self, tolerant: bool) -> Iterator[Array]:
        """The frames of an animation as displayed."""
        if self._png is not None:
            from .png import apng

            with self._path.open("rb") as file:
                yield from apng.frames(file, self._png, self._mode, tolerant)
            return
        if self._own is not None:
            yield from self._decode(tolerant)
            return
        for number in range(self._frames):
            self._image.seek(number)
            yield self._convert()

    def close(self) -> None:
        """Close the picture, and free its samples."""
        self._array = None
        self._close_image()


def _time_axis(animation: Animation) -> Axis:
    durations = set(animation.durations)
    if len(durations) > 1 or not min(durations):
        return Axis("t", len(animation.durations))
    return Axis("t", len(animation.durations), durations.pop() / 1000, "s")
