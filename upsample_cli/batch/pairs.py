"""Images and what belongs to them, such as their segmentations: found by their names, each with its own mode."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

from ..core.modes import MODES
from ..errors import RequestError
from ..resize.request import PairedImage, Request
from .inputs import CanonicalNames, Input


class Pair(NamedTuple):
    """A rule that finds what belongs to an image by its name.

    Attributes:
        image, other: patterns with the same number of ``*``, each of which stands for the same in both.
        mode: in which the other is resized.
    """

    image: str
    other: str
    mode: str

    @classmethod
    def parse(cls, text: str) -> Pair:
        """Read ``IMAGE=OTHER:MODE``, such as ``*_T1w.nii.gz=*_dseg.nii.gz:label``.

        Raises:
            RequestError: it is no such rule.
        """
        patterns, _, mode = text.rpartition(":")
        image, _, other = patterns.partition("=")
        if not (image and other) or "=" in other or image == other:
            raise RequestError(f"--pair {text}: write IMAGE=OTHER:MODE, such as '*_T1w.nii.gz=*_dseg.nii.gz:label'")
        if image.count("*") != other.count("*"):
            raise RequestError(f"--pair {text}: each * stands for the same on both sides, which need equally many")
        if mode not in MODES:
            raise RequestError(f"--pair {text}: {mode!r} is no mode; one of {', '.join(MODES)} is possible")
        return cls(image, other, mode)


def with_pairs(files: Iterable[Input], pairs: Sequence[Pair], request: Request) -> Iterator[tuple[Input, Request]]:
    """The files, each with what is to be done to it, and after every image what belongs to it by any of `pairs`."""
    seen = set()
    spelling = CanonicalNames()
    for file, wanted in _with_pairs(files, pairs, request):
        identity = spelling.of(file.path)
        if identity not in seen:
            seen.add(identity)
            yield file, wanted


def _with_pairs(files: Iterable[Input], pairs: Sequence[Pair], request: Request) -> Iterator[tuple[Input, Request]]:
    for file in files:
        for pair in pairs:
            image = _translate(file.path, pair.other, pair.image)
            if image is not None:
                yield file, _onto(image, pair, request)
                break
        else:
            yield file, request
            for pair in pairs:
                other = _translate(file.path, pair.image, pair.other)
                if other is not None:
                    yield Input(other, _subdir(file, other), file.found), _onto(file.path, pair, request)


def _onto(image: Path, pair: Pair, request: Request) -> Request:
    """What is to be done to the other of a pair."""
    antialias = request.antialias and MODES[pair.mode].antialias_kernel is not None
    return replace(request, mode=pair.mode, antialias=antialias, paired_image=PairedImage(image, request.mode))


def _translate(path: Path, pattern: str, into: str) -> Path | None:
    """The path whose last parts are `into` where those of `path` are `pattern`, or None where they are not."""
    match = _compiled(pattern).fullmatch(str(path))
    if match is None:
        return None
    folder, *stars = match.groups()
    return Path(folder or "", "".join(part + star for part, star in zip(into.split("*"), [*stars, ""], strict=True)))


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    inner = "([^/]*)".join(re.escape(part) for part in pattern.split("*"))
    return re.compile(f"(?s:(.*/)?){inner}")


def _subdir(file: Input, other: Path) -> str:
    """Where `other` is, below the directory in which `file` was looked for."""
    if other.parent == file.path.parent:
        return file.subdir
    root = os.path.normpath(os.path.join(file.path.parent, *[".."] * len(Path(file.subdir).parts)))  # noqa: PTH118
    subdir = os.path.relpath(other.parent, root)
    return "" if subdir.startswith("..") or not file.found else subdir
