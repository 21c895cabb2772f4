"""Name outputs by templates such as ``out/{stem}_{size}.png``."""

from __future__ import annotations

import os
import re
from pathlib import Path
from string import Formatter

from .. import formats
from ..errors import OutputError, RequestError
from ..pipeline.request import Request
from ..runtime.urls import as_path
from .inputs import SUFFIXES, Input
from .stdio import STREAM

DEFAULT_NAME = "{stem}_upsampled{ext}"
_LONGEST_NAME = 255  # characters, on all common file systems
FIELDS = {  # of templates
    "stem": "name of the input without its suffix",
    "ext": "suffix of the input, or that of --format",
    "parent": "directory of the input as given",
    "subdir": "its directory below the one that -r searches or --files-from lists",
    "size": "size of the output, such as 1024x768",
    "scale": "factor, such as 2 or 2x2x1",
    "mode": "the mode",
}


class Template:
    """Derives the name of an output from the name of its input.

    Attributes:
        output: the value of ``--output``, or None.
        fields: the fields that occur in the template.
        is_single: whether all inputs would have the same output.
        folder: the directory that contains all outputs, at any depth; None if it depends on the input.
    """

    def __init__(
        self,
        output: str | None,
        suffix: str | None = None,
        stdout: str | None = None,
        default: str = DEFAULT_NAME,
        several: bool = False,
    ) -> None:
        """Parse `output`: a file, a directory, a template, or None for the default name beside the input.

        Args:
            output: the value of ``--output``.
            suffix: the value of ``{ext}``, such as ``.png``, or None for the input's own.
            stdout: name, without a suffix, of the file that is copied to standard output, if that is the output.
            default: template of the default name; in a directory it is used only if it changes the suffix.
            several: whether there are several outputs, so that a name without the suffix of a format is a directory's.

        Raises:
            RequestError: `output` is empty or has an unknown field, or `suffix` contradicts it.
            OutputError: a single file would have no suffix.
        """
        self.output = output
        self._suffix = suffix
        self._text = _text(output, default, several) if stdout is None else _literal(stdout) + "{ext}"
        self.fields, literal = self._parse()
        self.is_single = stdout is not None or not self.fields
        self.folder = os.path.dirname(literal) or None if self.fields else None  # noqa: PTH120 a part of a name
        if suffix is not None and "ext" not in self.fields:
            raise RequestError(
                f"--format {suffix[1:]}: has no effect with --output {output}, whose suffix sets the format"
            )

    def name(self, file: Input, request: Request) -> Path:
        """The path of the output of `file`. The file is opened only if a field depends on its contents.

        Raises:
            UpsampleError: the file cannot be opened.
        """
        stem, ext = formats.split_name(file.path)
        ext = self._suffix or formats.output_suffix(file.path, ext)
        fields = {"stem": stem, "ext": ext, "parent": str(file.path.parent), "subdir": file.subdir}
        if not self.fields.isdisjoint(("size", "scale", "mode")):
            fields |= self._content_fields(file.path, request)
        return as_path(self._text.format(**fields))

    def _parse(self) -> tuple[frozenset[str], str]:
        """The fields of the template, and the literal text before the first field."""
        names: list[str] = []
        literal = ""
        try:
            for text, name, width, _ in Formatter().parse(self._text):
                literal += "" if names else text
                names += [] if name is None else [name]
                if "{" in (width or ""):
                    raise ValueError("fields cannot be nested")
                if any(int(number) > _LONGEST_NAME for number in re.findall(r"\d+", width or "")):
                    raise ValueError(f"the width of a field is at most {_LONGEST_NAME}")
            if unknown := set(names) - FIELDS.keys():
                raise ValueError(f"unknown field {', '.join(sorted(unknown))!r}")
            self._text.format(**dict.fromkeys(FIELDS, ""))
        except ValueError as error:
            allowed = " ".join(f"{{{name}}}" for name in FIELDS)
            raise RequestError(f"--output {self._text}: {error}; the fields are {allowed}") from None
        return frozenset(names), literal

    def _content_fields(self, path: Path, request: Request) -> dict[str, str]:
        """The fields that depend on the mode and on the contents of the input."""
        from ..pipeline.mode import choose_mode  # imports NumPy
        from ..pipeline.opening import open_input
        from ..pipeline.targets import find_targets

        if self.fields.isdisjoint(("size", "scale")) and (request.mode is not None or not formats.exists(path)):
            return {"mode": choose_mode(request).name}
        with open_input(path, request) as source:
            grid, mode = source.header.grid, choose_mode(request, source.header.labels)
            targets = find_targets(request, grid, path)
        sizes = [targets[name].size if name in targets else grid[name].size for name in grid.spatial]
        factors = [f"{size / grid[name].size:g}" for name, size in zip(grid.spatial, sizes, strict=True)]
        factor = factors[0] if len(set(factors)) == 1 else "x".join(factors)
        if request.scale is not None and not any(mark in request.scale.text for mark in "/%xX×"):
            factor = request.scale.text.replace(",", "x")
        return {"size": "x".join(map(str, sizes)), "scale": factor, "mode": mode.name}


def _text(output: str | None, default: str, several: bool) -> str:
    """The template for the value of ``--output``."""
    if output is None:
        return "{parent}/" + default
    if not output:
        raise RequestError("--output: the name is empty; give a file, a directory or a template")
    has_fields = "{" in output and not os.path.isdir(output)  # noqa: PTH112 a name may be too long
    text = output if has_fields else _literal(output)
    if output.endswith("/") or (not has_fields and _is_folder(output, several)):
        name = "{stem}{ext}" if default.endswith("{ext}") else default
        return f"{text.rstrip('/') or '/'}/{{subdir}}/{name}"
    return text


def _is_folder(output: str, several: bool) -> bool:
    """Whether a name without fields and without a slash at its end is that of a directory.

    Raises:
        OutputError: it is the name of a single file without a suffix.
    """
    if formats.writes_directory(Path(output)):  # which is one image
        return False
    if os.path.isdir(output):  # noqa: PTH112 as above
        return True
    has_suffix = output.lower().endswith(SUFFIXES)
    if not several and not has_suffix and not Path(output).suffix and output != STREAM:
        path = Path(output)
        if path.exists() and not path.is_file():
            raise OutputError("is not a regular file; to write to standard output, use -o - --format png", path)
        raise OutputError(f"has no suffix, which sets the format; write {output}.png, or {output}/", path)
    return several and not has_suffix and output != STREAM


def _literal(text: str) -> str:
    """A template that formats to `text`, braces included."""
    return text.replace("{", "{{").replace("}", "}}")
