"""Reads pictures and animations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Self, cast

import numpy as np

from ...errors import InputError
from ...geometry import Axis, Grid
from ..base import Array, Header, InMemory, ReadOptions
from .model import ALPHA, CHANNELS, INDEXED, PNG_SIGNATURE, Animation, Palette, PictureInfo, PictureMetadata, PixelKind
from .modes import bits_per_sample, choose_mode

if TYPE_CHECKING:
    from PIL import Image

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
_DIRECT_MODES = ("L", "LA", "RGB", "RGBA")
_SIDES_SWAPPED = (5, 6, 7, 8)  # orientations that swap width and height


class PictureSource(InMemory):
    """`Source` of a picture or an animation."""

    def __init__(self, path: Path, options: ReadOptions) -> None:
        super().__init__()
        self._path = path
        self.warnings: list[str] = []
        self._png: reader.Structure | None = None
        try:
            self.header = self._read_header(options)
        except InputError:
            self._close()
            raise
        except Exception as error:  # decoders raise various exceptions for damaged files
            self._close()
            raise InputError(f"is not a readable picture: {error}", path) from error

    @cached_property
    def _image(self) -> Image.Image:
        """The picture opened by Pillow; not needed for most PNG files."""
        from .opening import open_image

        return open_image(self._path)

    def _close(self) -> None:
        if "_image" in self.__dict__:
            self._image.close()

    def _read_header(self, options: ReadOptions) -> Header:
        self._pixel_kind, metadata, opaque = self._identify()
        metadata, self._orientation = _apply_exif(metadata)
        self._frames = len(metadata.animation.durations) if metadata.animation is not None else 1
        mode, conversions = choose_mode(self._pixel_kind, self._png, options.keep_indices, self._frames > 1, opaque)
        if mode is None:
            raise InputError(f"has the pixel mode {self._pixel_kind.mode}, which is not supported", self._path)
        self._mode = mode
        self.memory_factor = 1.5 if self._is_plain_png() else 2.4  # the file or Pillow's image, and the array
        self.memory_factor += 1.0 if self._orientation in _ORIENT else 0.0
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
        deep = self._png is not None and self._png.depth == 16
        return Header(
            grid,
            np.dtype(np.uint16 if deep else _DTYPES.get(self._mode, np.uint8)),
            alpha=self._mode in ALPHA,
            colours=self._mode if self._mode in CHANNELS else None,
            icc=metadata.icc,
            metadata=info,
            foreign_items=foreign_items(info),
        )

    def _identify(self) -> tuple[PixelKind, PictureMetadata, bool]:
        """Format and pixel type, metadata, and whether all pixels of an animation are known to be opaque."""
        with self._path.open("rb") as file:  # import only the module of this format
            if file.read(len(PNG_SIGNATURE)) == PNG_SIGNATURE:
                from .png import reader

                self._png, metadata = reader.read(file)
                return self._png.pixel_kind, metadata, bool(self._png.frames) and self._png.is_opaque
            return self._identify_with_pillow(file)

    def _identify_with_pillow(self, file: BinaryIO) -> tuple[PixelKind, PictureMetadata, bool]:
        from .opening import without_size_limit

        with without_size_limit():
            image = self._image
            kind = PixelKind(image.format or "", image.mode, image.size, "transparency" in image.info)
            opaque = image.mode not in ALPHA
            if kind.format == "GIF":
                from . import gif

                frames, metadata = gif.read(file)
                return kind, metadata, bool(frames) and gif.is_opaque(frames, image.size)
            if kind.format == "WEBP":
                from . import webp

                return kind, webp.read(file), opaque
            if kind.format in _JPEG_FORMATS:
                from . import jpeg

                metadata = jpeg.read(cast(Any, image), file)
            else:
                from . import pillow_formats

                metadata = pillow_formats.read(image, file)
        frames_left = getattr(image, "n_frames", 1) if metadata.animation is None else 1
        if frames_left > 1:
            metadata = metadata._replace(
                warnings=(*metadata.warnings, f"only the first of {frames_left} frames is resized")
            )
        return kind, metadata, opaque

    def _grid(self, metadata: PictureMetadata) -> Grid:
        width, height = self._pixel_kind.size
        if self._orientation in _SIDES_SWAPPED:
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
        if self._image.palette is None:
            raise InputError("has palette indices but no palette", self._path)
        colours = bytes(self._image.getpalette("RGB") or ())
        transparency = self._image.info.get("transparency", b"")
        if isinstance(transparency, int):
            transparency = b"\xff" * transparency + b"\0"
        return Palette(colours, transparency)

    def load(self) -> Array:
        """Decode the picture, turned upright."""
        if self._is_plain_png():  # without Pillow, which is slow to import
            return self._load()
        from .opening import without_size_limit

        with without_size_limit():
            return self._load()

    def _load(self) -> Array:
        try:
            if self._frames == 1:
                return self._apply_orientation(self._decode())
            array = np.empty(self.header.grid.shape, self.header.dtype)
            for number, frame in enumerate(self._composited_frames()):
                array[number] = self._apply_orientation(frame)
            return array
        except MemoryError:
            raise
        except Exception as error:
            raise InputError(f"cannot be read to its end: {error}", self._path) from error

    def _apply_orientation(self, rows: Array) -> Array:
        rows = rows.astype(self.header.dtype, copy=False)
        return np.ascontiguousarray(_ORIENT[self._orientation](rows)) if self._orientation in _ORIENT else rows

    def _decode(self) -> Array:
        """The samples in their stored orientation."""
        if self._png is None:
            return self._convert()
        if self._is_plain_png():
            import imagecodecs  # decodes twice as fast as Pillow

            return np.asarray(imagecodecs.png_decode(self._path.read_bytes()))
        from .png import apng

        if self._png.depth == 16:
            return apng.decode(self._path.read_bytes(), self._png)
        if self._png.depth < 8 and self._png.colour_key:  # Pillow ignores transparent levels below 8 bits
            levels = np.asarray(self._image.convert("L"))[..., None]
            return np.concatenate([levels, apng.alpha_from_key(levels, self._png)], axis=-1)
        return self._convert()

    def _is_plain_png(self) -> bool:
        """Whether a PNG has 8-bit samples that are resized as stored, and no interlacing."""
        if self._png is None or self._png.depth != 8 or self._png.interlaced:  # libpng warns about interlacing
            return False
        return self._mode == self._pixel_kind.mode in _DIRECT_MODES

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
        array = np.asarray(image)
        return array.view(np.uint8) != 0 if self._mode == "1" else array

    def _composited_frames(self) -> Iterator[Array]:
        """The frames of an animation as displayed."""
        if self._png is not None:
            from .png import apng

            with self._path.open("rb") as file:
                yield from apng.frames(file, self._png, self._mode)
            return
        for number in range(self._frames):
            self._image.seek(number)
            yield self._convert()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._array = None
        self._close()


def foreign_items(info: PictureInfo) -> tuple[str, ...]:
    """Descriptions of the metadata items that only pictures can hold."""
    metadata = info.metadata
    items: list[tuple[str, object]] = [("EXIF", metadata.exif), ("XMP", metadata.xmp), ("comments", metadata.comments)]
    items += [("the palette", info.palette), ("the number of repeats", metadata.animation)]
    varied = metadata.animation is not None and len(set(metadata.animation.durations)) > 1
    items.append(("the duration of each frame", varied))
    return (*(name for name, value in items if value), *metadata.foreign_items)


def _apply_exif(metadata: PictureMetadata) -> tuple[PictureMetadata, int]:
    """The metadata with upright spacing, taken from EXIF if not stored elsewhere, and the EXIF orientation."""
    spacing, orientation = None, 1
    if metadata.exif:
        from . import exif

        try:
            exif_info = exif.read(metadata.exif)
            spacing, orientation = exif_info.spacing, exif_info.orientation
            if exif.has_subject_position(metadata.exif):
                dropped = "the subject position in its EXIF, in pixels, is dropped"
                metadata = metadata._replace(warnings=(*metadata.warnings, dropped))
        except ValueError as error:
            metadata = metadata._replace(
                exif=b"", warnings=(*metadata.warnings, f"its EXIF is damaged and is dropped: {error}")
            )
    if metadata.spacing is None and spacing is not None:
        metadata = metadata._replace(spacing=spacing, unit="mm")
    if metadata.spacing is not None and orientation in _SIDES_SWAPPED:
        metadata = metadata._replace(spacing=(metadata.spacing[1], metadata.spacing[0]))
    return metadata, orientation


def _time_axis(animation: Animation) -> Axis:
    durations = set(animation.durations)
    if len(durations) > 1 or not min(durations):
        return Axis("t", len(animation.durations))
    return Axis("t", len(animation.durations), durations.pop() / 1000, "s")
