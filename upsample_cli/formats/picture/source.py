"""Reading pictures."""

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
from .model import ALPHA, CHANNELS, INDEXED, PNG_SIGNATURE, Animation, Kind, Metadata, Palette, PictureMetadata
from .modes import choose_mode, kept_bits

if TYPE_CHECKING:
    from PIL import Image

    from .png import reader

_DTYPES = {"1": np.bool_, "I;16": np.uint16, "I": np.int32, "F": np.float32}
_UPRIGHT: dict[int, Callable[[Array], Array]] = {  # what undoes the orientations of EXIF
    2: lambda rows: rows[:, ::-1],
    3: lambda rows: rows[::-1, ::-1],
    4: lambda rows: rows[::-1],
    5: lambda rows: rows.swapaxes(0, 1),
    6: lambda rows: rows[::-1].swapaxes(0, 1),
    7: lambda rows: rows[::-1, ::-1].swapaxes(0, 1),
    8: lambda rows: rows[:, ::-1].swapaxes(0, 1),
}
_JPEG = ("JPEG", "MPO")  # as Pillow calls what has one picture, and what has several
_PLAIN = ("L", "LA", "RGB", "RGBA")
_TURNED = (5, 6, 7, 8)  # the orientations in which width and height change places


class PictureSource(InMemory):
    """A picture or an animation; see `Source`."""

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
        except Exception as error:  # decoders raise whatever the bytes lead them into
            self._close()
            raise InputError(f"is not a readable picture: {error}", path) from error

    @cached_property
    def _image(self) -> Image.Image:
        """The picture as Pillow opens it, without which most PNG can be read."""
        from .opening import open_image

        return open_image(self._path)

    def _close(self) -> None:
        if "_image" in self.__dict__:
            self._image.close()

    def _read_header(self, options: ReadOptions) -> Header:
        self._kind, notes, opaque = self._look()
        notes, self._orientation = _with_facts(notes)
        self._frames = len(notes.animation.durations) if notes.animation is not None else 1
        mode, said = choose_mode(self._kind, self._png, options.keep_indices, self._frames > 1, opaque)
        if mode is None:
            raise InputError(f"is a picture of mode {self._kind.mode}, which is not supported", self._path)
        self._mode = mode
        self.memory_factor = 1.5 if self._is_plain_png() else 2.4  # the file or Pillow's picture, and the array
        self.memory_factor += 1.0 if self._orientation in _UPRIGHT else 0.0
        self.warnings += [*notes.warnings, *said]
        if options.axes is not None:
            self.warnings.append("--axes is ignored: a picture names its axes")
        grid = self._grid(notes)
        metadata = Metadata(
            "JPEG" if self._kind.format in _JPEG else self._kind.format,
            self._mode,
            grid,
            notes,
            self._palette() if self._mode == INDEXED else None,
            kept_bits(self._mode, self._png, options.keep_indices),
            options.keep_indices,
        )
        deep = self._png is not None and self._png.depth == 16
        return Header(
            grid,
            np.dtype(np.uint16 if deep else _DTYPES.get(self._mode, np.uint8)),
            alpha=self._mode in ALPHA,
            colours=self._mode if self._mode in CHANNELS else None,
            icc=notes.icc,
            metadata=metadata,
            foreign_items=foreign_items(metadata),
        )

    def _look(self) -> tuple[Kind, PictureMetadata, bool]:
        """What kind of picture it is, what it says, and whether no pixel of an animation can be transparent."""
        with self._path.open("rb") as file:  # of the formats' modules only one is needed, and imported
            if file.read(len(PNG_SIGNATURE)) == PNG_SIGNATURE:
                from .png import reader

                self._png, notes = reader.read(file)
                return self._png.kind, notes, bool(self._png.frames) and self._png.is_opaque
            return self._look_with_pillow(file)

    def _look_with_pillow(self, file: BinaryIO) -> tuple[Kind, PictureMetadata, bool]:
        from .opening import without_size_limit

        with without_size_limit():
            image = self._image
            kind = Kind(image.format or "", image.mode, image.size, "transparency" in image.info)
            opaque = image.mode not in ALPHA
            if kind.format == "GIF":
                from . import gif

                frames, notes = gif.read(file)
                return kind, notes, bool(frames) and gif.is_opaque(frames, image.size)
            if kind.format == "WEBP":
                from . import webp

                return kind, webp.read(file), opaque
            if kind.format in _JPEG:
                from . import jpeg

                notes = jpeg.read(cast(Any, image), file)
            else:
                from . import pillow_formats

                notes = pillow_formats.read(image, file)
        frames_left = getattr(image, "n_frames", 1) if notes.animation is None else 1
        if frames_left > 1:
            notes = notes._replace(warnings=(*notes.warnings, f"only the first of {frames_left} frames is resized"))
        return kind, notes, opaque

    def _grid(self, notes: PictureMetadata) -> Grid:
        width, height = self._kind.size
        if self._orientation in _TURNED:
            width, height = height, width
        x, y = notes.spacing or (None, None)
        axes = [Axis("y", height, y, notes.unit), Axis("x", width, x, notes.unit)]
        if notes.animation is not None:
            axes.insert(0, _time(notes.animation))
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
        """Decode the picture and turn it upright."""
        if self._is_plain_png():  # decoded without Pillow, which need not be loaded
            return self._load()
        from .opening import without_size_limit

        with without_size_limit():
            return self._load()

    def _load(self) -> Array:
        try:
            if self._frames == 1:
                return self._upright(self._decoded())
            array = np.empty(self.header.grid.shape, self.header.dtype)
            for number, frame in enumerate(self._seen_frames()):
                array[number] = self._upright(frame)
            return array
        except MemoryError:
            raise
        except Exception as error:
            raise InputError(f"cannot be read to its end: {error}", self._path) from error

    def _upright(self, rows: Array) -> Array:
        rows = rows.astype(self.header.dtype, copy=False)
        return np.ascontiguousarray(_UPRIGHT[self._orientation](rows)) if self._orientation in _UPRIGHT else rows

    def _decoded(self) -> Array:
        """The samples as they lie in the file."""
        if self._png is None:
            return self._converted()
        if self._is_plain_png():
            import imagecodecs  # takes half of Pillow's time

            return np.asarray(imagecodecs.png_decode(self._path.read_bytes()))
        from .png import apng

        if self._png.depth == 16:
            return apng.decode(self._path.read_bytes(), self._png)
        if self._png.depth < 8 and self._png.key:  # of which Pillow finds no pixel
            levels = np.asarray(self._image.convert("L"))[..., None]
            return np.concatenate([levels, apng.opacity(levels, self._png)], axis=-1)
        return self._converted()

    def _is_plain_png(self) -> bool:
        """Whether the samples are to be resized as they lie in the file, in 8 bits, row by row."""
        if self._png is None or self._png.depth != 8 or self._png.interlaced:  # of which libpng warns
            return False
        return self._mode == self._kind.mode in _PLAIN

    def _converted(self) -> Array:
        """The picture at hand in the mode in which it is resized."""
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

    def _seen_frames(self) -> Iterator[Array]:
        """The frames of an animation as they are seen."""
        if self._png is not None:
            from .png import apng

            with self._path.open("rb") as file:
                yield from apng.frames(file, self._png, self._mode)
            return
        for number in range(self._frames):
            self._image.seek(number)
            yield self._converted()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._array = None
        self._close()


def foreign_items(metadata: Metadata) -> tuple[str, ...]:
    """What only a picture understands of a picture's metadata."""
    notes = metadata.notes
    items: list[tuple[str, object]] = [("EXIF", notes.exif), ("XMP", notes.xmp), ("comments", notes.comments)]
    items += [("the palette", metadata.palette), ("how often its frames are shown", notes.animation)]
    varied = notes.animation is not None and len(set(notes.animation.durations)) > 1
    items.append(("how long each frame is shown", varied))
    return (*(name for name, value in items if value), *notes.foreign_items)


def _with_facts(notes: PictureMetadata) -> tuple[PictureMetadata, int]:
    """The notes with the spacing that EXIF says if nothing else does, and upright; and the orientation."""
    spacing, orientation = None, 1
    if notes.exif:
        from . import exif

        try:
            facts = exif.read(notes.exif)
            spacing, orientation = facts.spacing, facts.orientation
            if exif.says_where_the_subject_is(notes.exif):
                said = "where EXIF says that the subject is, in pixels, is dropped"
                notes = notes._replace(warnings=(*notes.warnings, said))
        except ValueError as error:
            notes = notes._replace(exif=b"", warnings=(*notes.warnings, f"its EXIF is damaged and dropped: {error}"))
    if notes.spacing is None and spacing is not None:
        notes = notes._replace(spacing=spacing, unit="mm")
    if notes.spacing is not None and orientation in _TURNED:
        notes = notes._replace(spacing=(notes.spacing[1], notes.spacing[0]))
    return notes, orientation


def _time(animation: Animation) -> Axis:
    durations = set(animation.durations)
    if len(durations) > 1 or not min(durations):
        return Axis("t", len(animation.durations))
    return Axis("t", len(animation.durations), durations.pop() / 1000, "s")
