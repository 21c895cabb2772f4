"""What outputs are called: templates, and what their fields stand for."""

from __future__ import annotations

import os
from pathlib import Path
from string import Formatter

from .. import formats
from ..errors import RequestError
from ..resize.request import Request
from .inputs import Input

DEFAULT_NAME = "{stem}_upsampled{ext}"
FIELDS = ("stem", "ext", "parent", "subdir", "size", "scale", "mode")


class Template:
    """How to make an output's name of an input's.

    Attributes:
        output: what the user asked for, or None.
        fields: what the name depends on.
        is_single: whether there can be only one output.
        folder: the directory in which all outputs end up, however deep, or None where it depends on the input.
        makes_folders: whether directories below it are made.
    """

    def __init__(
        self,
        output: str | None,
        suffix: str | None = None,
        stdout: str | None = None,
        default: str = DEFAULT_NAME,
    ) -> None:
        """Make out what `output` is: a file, a directory, a template, or None for the default beside the input.

        Args:
            output: what the user asked for.
            suffix: what ``{ext}`` stands for, such as ``.png``, or None for the input's own.
            stdout: the name, without a suffix, of what becomes the standard output, if that is the output.
            default: the template of a name, of which there is no need in a directory unless it changes the suffix.

        Raises:
            RequestError: it is none of these.
        """
        self.output = output
        self._suffix = suffix
        self._text = _text(output, default) if stdout is None else _literal(stdout) + "{ext}"
        self.fields, literal = self._parse()
        self.is_single = stdout is not None or not self.fields
        self.folder = os.path.dirname(literal) or None if self.fields else None  # noqa: PTH120 a part of a name
        self.makes_folders = "subdir" in self.fields
        if suffix is not None and "ext" not in self.fields:
            raise RequestError(
                f"--format {suffix[1:]}: has no meaning with --output {output}, whose name says its format"
            )

    def name(self, file: Input, request: Request) -> Path:
        """The name of the output of `file`, which is opened only if a field stands for what it holds.

        Raises:
            UpsampleError: it cannot be opened.
        """
        stem, ext = formats.split_name(file.path)
        fields = {"stem": stem, "ext": self._suffix or ext, "parent": str(file.path.parent), "subdir": file.subdir}
        if not self.fields.isdisjoint(("size", "scale", "mode")):
            fields |= self._measures(file.path, request)
        return Path(self._text.format(**fields))

    def _parse(self) -> tuple[frozenset[str], str]:
        """The fields, and what stands before the first of them."""
        names: list[str] = []
        literal = ""
        try:
            for text, name, width, _ in Formatter().parse(self._text):
                literal += "" if names else text
                names += [] if name is None else [name]
                if "{" in (width or ""):
                    raise ValueError("a field within a field is not possible")
            if unknown := set(names) - set(FIELDS):
                raise ValueError(f"{', '.join(sorted(unknown))!r} is unknown")
            self._text.format(**dict.fromkeys(FIELDS, ""))
        except ValueError as error:
            allowed = " ".join(f"{{{name}}}" for name in FIELDS)
            raise RequestError(f"--output {self._text}: {error}; the fields are {allowed}") from None
        return frozenset(names), literal

    def _measures(self, path: Path, request: Request) -> dict[str, str]:
        """The fields that depend on the mode, and on what the input holds."""
        from ..resize.mode import choose_mode, read_options  # imports NumPy
        from ..resize.targets import find_targets

        known = choose_mode(request).name
        if self.fields.isdisjoint(("size", "scale")) and (request.mode is not None or not path.is_file()):
            return {"mode": known}
        with formats.open_source(path, read_options(request)) as source:
            grid, mode = source.header.grid, choose_mode(request, source.header.labels)
            targets = find_targets(request, grid, path)
        sizes = [targets[name].size if name in targets else grid[name].size for name in grid.spatial]
        factors = [f"{size / grid[name].size:g}" for name, size in zip(grid.spatial, sizes, strict=True)]
        factor = factors[0] if len(set(factors)) == 1 else "x".join(factors)
        if request.scale is not None:
            factor = request.scale.text.replace(",", "x")
        return {"size": "x".join(map(str, sizes)), "scale": factor, "mode": mode.name}


def _text(output: str | None, default: str) -> str:
    """The template that `output` stands for."""
    if output is None:
        return "{parent}/" + default
    if not output:
        raise RequestError("--output: the name is empty; name a file, a directory or a template")
    literal = _literal(output)
    if os.path.isdir(output) or (output.endswith("/") and "{" not in output):  # noqa: PTH112 a name may be too long
        name = "{stem}{ext}" if default.endswith("{ext}") else default
        return f"{literal.rstrip('/') or '/'}/{{subdir}}/{name}"
    return output if "{" in output else literal


def _literal(text: str) -> str:
    """The template that stands for `text`, whatever is in it."""
    return text.replace("{", "{{").replace("}", "}}")
