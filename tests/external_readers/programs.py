"""Programs that share no code with ours, and what they say of files."""

from __future__ import annotations

import functools
import json
import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Tags = dict[str, Any]


@functools.cache
def is_installed(name: str) -> bool:
    """Whether the program is there; `convert` and `identify` only if they say that they are ImageMagick's."""
    return shutil.which(name) is not None and (name not in ("convert", "identify") or _is_imagemagick(name))


def _is_imagemagick(name: str) -> bool:
    command = (name, "-version")
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return False
    return done.stdout.lstrip().startswith(b"Version: ImageMagick")


def needs(name: str) -> pytest.MarkDecorator:
    """Skips a test, and says so, where a program is missing."""
    return pytest.mark.skipif(not is_installed(name), reason=f"{name} is not installed")


def said(*command: str | Path, codes: Sequence[int] = (0,)) -> str:
    """What a program prints; it must end with one of `codes`."""
    done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace")
    assert done.returncode in codes, f"{command[0]} ended with {done.returncode}: {done.stdout[-500:]}{done.stderr}"
    return done.stdout


def exiftool(folder: Path, *options: str) -> dict[str, Tags]:
    """By the name of every file of a folder, its tags as ``group:name``, numbers as numbers."""
    if not is_installed("exiftool"):
        pytest.skip("exiftool is not installed")
    found = json.loads(said("exiftool", "-json", "-G1", "-n", "-b", *options, folder))
    return {Path(tags["SourceFile"]).name: tags for tags in found}


def identify(paths: Iterable[Path], format_: str) -> dict[str, list[tuple[str, ...]]]:
    """By the name of each file, what ImageMagick says of each of its frames, by escapes parted by spaces."""
    if not is_installed("identify"):
        pytest.skip("identify is not installed")
    lines = said("identify", "-quiet", "-format", f"%f|{'|'.join(format_.split())}\n", *paths).splitlines()
    frames: dict[str, list[tuple[str, ...]]] = {}
    for line in lines:
        name, *values = line.split("|")
        frames.setdefault(name, []).append(tuple(values))
    return frames


def pixels(paths: Iterable[Path], size: tuple[int, int], *options: str) -> np.ndarray:
    """What ImageMagick decodes of pictures of one size: 16 bits, shape (frames of all, height, width, 4)."""
    if not is_installed("convert"):
        pytest.skip("convert is not installed")
    command = ("convert", "-quiet", *paths, *options, "-depth", "16", "-endian", "LSB", "rgba:-")
    done = subprocess.run(command, check=True, capture_output=True)
    return np.frombuffer(done.stdout, "<u2").reshape(-1, size[1], size[0], 4)


def decoded(folder: Path, names: Sequence[str], size: tuple[int, int]) -> dict[str, np.ndarray]:
    """By its name every picture of a folder, as ImageMagick decodes it, from 0 to 1."""
    return dict(zip(names, pixels([folder / name for name in names], size) / 65535, strict=True))


def pngcheck(folder: Path) -> dict[str, str]:
    """By the name of every PNG of a folder, what pngcheck says of it, from its verdict on."""
    if not is_installed("pngcheck"):
        pytest.skip("pngcheck is not installed")
    text = said("pngcheck", *sorted(folder.glob("*.png")), codes=(0, 2))
    found = re.findall(r"^(\w+): (\S+) \((.*)\)", text, re.M)
    return {Path(path).name: f"{verdict}: {facts}" for verdict, path, facts in found}


def tiffinfo(folder: Path) -> dict[str, list[dict[str, str]]]:
    """By the name of every TIFF of a folder, what tiffinfo says of each directory, in its own words."""
    if not is_installed("tiffinfo"):
        pytest.skip("tiffinfo is not installed")
    paths = sorted(folder.glob("*.tif"))
    files = re.split(r"^File .*:$", said("tiffinfo", *paths), flags=re.M)[1:]
    return {path.name: _directories(text) for path, text in zip(paths, files, strict=True)}


def _directories(text: str) -> list[dict[str, str]]:
    parts = text.split("TIFF Directory at offset")[1:]
    return [dict(re.findall(r"^  ([A-Z][\w /-]*): ?(.*)$", part, re.M)) for part in parts]
