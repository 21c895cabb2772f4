"""Pictures, by Pillow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from PIL import ExifTags, Image, ImageCms

from tests.formats.examples.record import Example, samples
from upsample_cli.formats.base import ReadOptions

KEEP = ReadOptions(keep_indices=True)
SHAPE = (13, 17)
CHANNELS = {"L": (), "LA": (2,), "RGB": (3,), "RGBA": (4,), "CMYK": (4,)}
PALETTE = samples((16, 3))
OPACITY = bytes(range(0, 256, 16))
DPI = {"x": 25.4 / 300, "y": 25.4 / 150}
MM = {"x": "mm", "y": "mm"}
FRAME, SECONDS = {"t": 0.04}, {"t": "s"}
UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {  # EXIF 2.3, 4.6.4: what the rows and columns stand for
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a[::-1].swapaxes(0, 1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a[:, ::-1].swapaxes(0, 1),
}


def smooth(mode: str) -> np.ndarray:
    """Samples that lossy codecs keep roughly."""
    y, x = np.indices(SHAPE)
    planes = [8 * x + 4 * y, 255 - 6 * y - 3 * x, 40 + 9 * y, 128 + 5 * x][: (CHANNELS[mode] or (1,))[0]]
    return np.stack(planes, -1).astype(np.uint8).reshape(*SHAPE, *CHANNELS[mode])


def saved(mode: str, lossy: bool = False, **options: Any) -> Callable[[Path], np.ndarray]:
    def make(path: Path) -> np.ndarray:
        array = smooth(mode) if lossy else samples((*SHAPE, *CHANNELS[mode]))
        image = Image.frombytes(mode, SHAPE[::-1], array.tobytes())
        image.save(path, **options)
        if not lossy:
            return array
        with Image.open(path) as stored:
            return np.array(stored)

    return make


def indexed(kept: bool, transparency: bytes | int | None = None) -> Callable[[Path], np.ndarray]:
    def make(path: Path) -> np.ndarray:
        indices = samples(SHAPE) % len(PALETTE)
        image = Image.frombytes("P", SHAPE[::-1], indices.tobytes())
        image.putpalette(PALETTE.tobytes())
        image.save(path, **({} if transparency is None else {"transparency": transparency}))
        if kept:
            return indices
        if transparency is None:
            return PALETTE[indices]
        opacity = transparency
        if isinstance(opacity, int):
            opacity = bytes(0 if entry == transparency else 255 for entry in range(len(PALETTE)))
        return np.column_stack([PALETTE, np.frombuffer(opacity, np.uint8)])[indices]

    return make


def bits(kept: bool) -> Callable[[Path], np.ndarray]:
    def make(path: Path) -> np.ndarray:
        array = samples(SHAPE, "bool")
        Image.fromarray(array).save(path)
        return array if kept else array * np.uint8(255)

    return make


def wide(dtype: str) -> Callable[[Path], np.ndarray]:
    def make(path: Path) -> np.ndarray:
        array = samples(SHAPE, "uint16")
        Image.frombytes("I;16", SHAPE[::-1], array.astype("<u2").tobytes()).save(path)
        return array.astype(dtype)

    return make


def deep(mode: str) -> Callable[[Path], np.ndarray]:
    """16 bits in each channel, which Pillow does not write."""

    def make(path: Path) -> np.ndarray:
        array = samples((*SHAPE, *CHANNELS[mode]), "uint16")
        path.write_bytes(imagecodecs.png_encode(array))
        return array

    return make


def jpeg_xl(mode: str, dtype: str) -> Callable[[Path], np.ndarray]:
    """Compressed without loss, which Pillow cannot do."""

    def make(path: Path) -> np.ndarray:
        array = samples((*SHAPE, *CHANNELS[mode]), dtype)
        path.write_bytes(imagecodecs.jpegxl_encode(array, lossless=True))
        return array

    return make


def see_through(mode: str) -> Callable[[Path], np.ndarray]:
    """One colour is transparent."""

    def make(path: Path) -> np.ndarray:
        array = samples((*SHAPE, *CHANNELS[mode]))
        key = array[2, 3]
        transparency = tuple(map(int, key)) if key.ndim else int(key)
        Image.frombytes(mode, SHAPE[::-1], array.tobytes()).save(path, transparency=transparency)
        colours = array.reshape(*SHAPE, -1)
        hidden = (colours == colours[2, 3]).all(-1, keepdims=True)
        return np.concatenate([colours, np.where(hidden, 0, 255).astype(np.uint8)], -1)

    return make


def turned(orientation: int) -> Callable[[Path], np.ndarray]:
    def make(path: Path) -> np.ndarray:
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = orientation
        exif[ExifTags.Base.Make] = "a camera"
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExifImageWidth] = SHAPE[1]
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        Image.fromarray(smooth("RGB")).save(path, exif=exif, icc_profile=profile, dpi=(300, 150), quality=90)
        with Image.open(path) as stored:
            return np.ascontiguousarray(UPRIGHT[orientation](np.asarray(stored)))

    return make


def animated(mode: str = "RGB", **options: Any) -> Callable[[Path], np.ndarray]:
    """Three frames of few colours, each shown for 40 ms."""

    def make(path: Path) -> np.ndarray:
        colours = samples((16, CHANNELS[mode][0]))
        indices = samples((3, *SHAPE)) % len(colours)
        array = colours[indices]
        frames = [Image.fromarray(frame) for frame in array]
        frames[0].save(path, save_all=True, append_images=frames[1:], duration=40, **options)
        return array

    return make


EXAMPLES = (
    Example("png-1", ".png", bits(False), "yx"),
    Example("png-1-kept", ".png", bits(True), "yx", options=KEEP),
    Example("png-L", ".png", saved("L"), "yx"),
    Example("png-L-dpi", ".png", saved("L", dpi=(300, 150)), "yx", DPI, MM),
    Example("png-L-transparent", ".png", see_through("L"), "yxs", alpha=True),
    Example("png-LA", ".png", saved("LA"), "yxs", alpha=True),
    Example("png-RGB", ".png", saved("RGB"), "yxs"),
    Example("png-RGB-transparent", ".png", see_through("RGB"), "yxs", alpha=True),
    Example("png-RGBA", ".png", saved("RGBA"), "yxs", alpha=True),
    Example("png-I16", ".png", wide("uint16"), "yx"),
    Example("png-P", ".png", indexed(False), "yxs"),
    Example("png-P-kept", ".png", indexed(True), "yx", options=KEEP),
    Example("png-P-transparent", ".png", indexed(False, OPACITY), "yxs", alpha=True),
    Example("png-P-transparent-kept", ".png", indexed(True, OPACITY), "yx", options=KEEP),
    Example("png-P-one-transparent", ".png", indexed(False, 4), "yxs", alpha=True),
    Example("jpeg-L", ".jpg", saved("L", lossy=True), "yx", lossless=False),
    Example("jpeg-RGB", ".jpeg", saved("RGB", lossy=True), "yxs", lossless=False),
    Example("jpeg-CMYK", ".jpg", saved("CMYK", lossy=True), "yxs", lossless=False),
    *(
        Example(
            f"jpeg-orientation-{n}",
            ".jpg",
            turned(n),
            "yxs",
            DPI if n < 5 else {"x": DPI["y"], "y": DPI["x"]},
            MM,
            lossless=False,
        )
        for n in UPRIGHT
    ),
    Example("webp-RGB", ".webp", saved("RGB", lossy=True), "yxs", lossless=False),
    Example("webp-RGBA", ".webp", saved("RGBA", lossy=True), "yxs", alpha=True, lossless=False),
    Example("bmp-1", ".bmp", bits(True), "yx", {"x": 0.2646, "y": 0.2646}, MM, options=KEEP),  # Pillow writes 96 dpi
    Example("bmp-L", ".bmp", saved("L", dpi=(300, 150)), "yx", DPI, MM),
    Example("bmp-RGB", ".bmp", saved("RGB", dpi=(300, 150)), "yxs", DPI, MM),
    Example("bmp-P", ".bmp", indexed(False), "yxs", {"x": 0.2646, "y": 0.2646}, MM),
    Example("ppm", ".ppm", saved("RGB"), "yxs"),
    Example("pgm", ".pgm", saved("L"), "yx"),
    Example("pgm-16", ".pgm", wide("uint16"), "yx"),
    Example("pbm", ".pbm", bits(True), "yx", options=KEEP),
    Example("sgi-RGBA", ".sgi", saved("RGBA"), "yxs", alpha=True),
    Example("jxl-L", ".jxl", jpeg_xl("L", "uint8"), "yx", lossless=False),
    Example("jxl-RGB-16", ".jxl", jpeg_xl("RGB", "uint16"), "yxs", lossless=False),
    Example("jxl-RGBA", ".jxl", jpeg_xl("RGBA", "uint8"), "yxs", alpha=True, lossless=False),
    Example("tga-RGBA", ".tga", saved("RGBA"), "yxs", alpha=True),
    Example("gif", ".gif", indexed(False), "yxs", lossless=False),
    Example("gif-kept", ".gif", indexed(True), "yx", options=KEEP),
    Example("gif-transparent-kept", ".gif", indexed(True, 4), "yx", options=KEEP),
    Example("gif-animated", ".gif", animated(), "tyxs", FRAME, SECONDS),
    Example("apng", ".png", animated(), "tyxs", FRAME, SECONDS),
    Example("apng-RGBA", ".png", animated("RGBA", disposal=1), "tyxs", FRAME, SECONDS, alpha=True),
    Example(
        "webp-animated",
        ".webp",
        animated("RGBA", lossless=True, exact=True),
        "tyxs",
        FRAME,
        SECONDS,
        alpha=True,
    ),
    Example("webp-lossless", ".webp", saved("RGB", lossless=True), "yxs"),
    *(Example(f"png-{mode}-16", ".png", deep(mode), "yxs", alpha=mode != "RGB") for mode in ("LA", "RGB", "RGBA")),
)
