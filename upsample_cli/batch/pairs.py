"""Find the companions of images, such as segmentations, by file name; each is resized in a mode of its own."""

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
from ..formats import split_name
from ..pipeline.mode_names import canonical_mode
from ..pipeline.request import PairedImage, Request
from .inputs import CanonicalNames, Input


class Pair(NamedTuple):
    """A rule that relates the name of an image to the name of its companion.

    Attributes:
        image, companion: patterns with the same number of ``*``; the n-th ``*`` matches the same text in both.
        mode: the mode in which the companion is resized.
    """

    image: str
    companion: str
    mode: str

    @classmethod
    def parse(cls, text: str) -> Pair:
        """Parse ``IMAGE=OTHER:MODE``, such as ``*_T1w.nii.gz=*_dseg.nii.gz:label``.

        Raises:
            RequestError: the text is not a valid rule.
        """
        patterns, _, mode = text.rpartition(":")
        image, _, companion = patterns.partition("=")
        if not (image and companion) or "=" in companion or image == companion:
            raise RequestError(f"--pair {text}: write IMAGE=OTHER:MODE, such as '*_T1w.nii.gz=*_dseg.nii.gz:label'")
        if image.count("*") != companion.count("*"):
            raise RequestError(f"--pair {text}: both sides need the same number of *")
        return cls(image, companion, canonical_mode(mode, f"--pair {text}"))


def refuse_unmatched(files: Sequence[Input], pairs: Iterable[Pair]) -> None:
    """Refuse rules of which neither side matches any of the files.

    Raises:
        RequestError: with a pattern that would match.
    """
    existing = [file.path for file in files if file.path.is_file()]
    for image, companion, mode in pairs:
        images = [_translate(path, image, image) or _translate(path, companion, image) for path in existing]
        if existing and not any(path is not None and path.is_file() for path in images):
            path = existing[0]
            folder = f"{path.parent.name}/" if "/" in image else ""
            raise RequestError(
                f"--pair {image}={companion}:{mode}: no input matches {image!r}; patterns are for whole names, and "
                f"'{folder}*{split_name(path)[1]}' would match {path}"
            )


def with_pairs(files: Iterable[Input], pairs: Sequence[Pair], request: Request) -> Iterator[tuple[Input, Request]]:
    """Yield each file once with its request, and after every image its companions by any of `pairs`."""
    seen = set()
    names = CanonicalNames()
    for file, file_request in _with_pairs(files, pairs, request):
        name = names.of(file.path)
        if name not in seen:
            seen.add(name)
            yield file, file_request


def _with_pairs(files: Iterable[Input], pairs: Sequence[Pair], request: Request) -> Iterator[tuple[Input, Request]]:
    for file in files:
        for pair in pairs:
            image = _translate(file.path, pair.companion, pair.image)
            if image is not None:
                yield file, _companion_request(image, pair, request)
                break
        else:
            yield file, request
            for pair in pairs:
                companion = _translate(file.path, pair.image, pair.companion)
                if companion is not None:
                    found = Input(companion, _subdir(file, companion), file.found)
                    yield found, _companion_request(file.path, pair, request)


def _companion_request(image: Path, pair: Pair, request: Request) -> Request:
    antialias = request.antialias and MODES[pair.mode].antialias_kernel is not None
    draft = request.draft and antialias
    return replace(
        request, mode=pair.mode, antialias=antialias, draft=draft, paired_image=PairedImage(image, request.mode)
    )


def _translate(path: Path, pattern: str, into: str) -> Path | None:
    """Rewrite the end of `path` from `pattern` to `into`, or return None if it does not match `pattern`."""
    match = _compiled(pattern).fullmatch(str(path))
    if match is None:
        return None
    folder, *stars = match.groups()
    return Path(folder or "", "".join(part + star for part, star in zip(into.split("*"), [*stars, ""], strict=True)))


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    inner = "([^/]*)".join(re.escape(part) for part in pattern.split("*"))
    return re.compile(f"(?s:(.*/)?){inner}")


def _subdir(file: Input, companion: Path) -> str:
    """The directory of `companion`, relative to the directory that was searched for `file`."""
    if companion.parent == file.path.parent:
        return file.subdir
    root = os.path.normpath(os.path.join(file.path.parent, *[".."] * len(Path(file.subdir).parts)))  # noqa: PTH118
    subdir = os.path.relpath(companion.parent, root)
    return "" if subdir.startswith("..") or not file.found else subdir
