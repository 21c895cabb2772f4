"""Turn options into the settings of the command and the request for each file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from click.core import ParameterSource

from ..batch.stdio import STREAM
from ..pipeline.conversion_options import parse_conversion
from ..pipeline.per_axis import PerAxis, parse_sides, parse_size
from ..pipeline.request import TARGETS, Request, parse_bytes, parse_number_or
from .help import ENVIRONMENT

if TYPE_CHECKING:
    from ..batch.existing import Existing

_EXCLUSIVE = (  # options that exclude each other
    (*TARGETS, "width", "height"),
    ("overwrite", "skip_existing", "newer"),
    ("compare", "mode"),
)


class Settings(NamedTuple):
    """The options of the command as a whole, by name; those for each file are in a `Request`."""

    inputs: tuple[str, ...]
    files_from: str | None
    base: str | None
    recursive: bool
    copy_others: bool
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    pair: tuple[str, ...]
    output: str | None
    format: str | None
    overwrite: bool
    skip_existing: bool
    newer: bool
    dry_run: bool
    jobs: int | None
    cluster: str | None
    compare: str | None
    region: str | None
    progress: bool | None
    json: bool
    report: str | None
    failed_to: str | None
    quiet: bool
    verbose: bool

    @property
    def destination(self) -> str | None:
        """The value of ``--output``; standard output if it is not given and standard input is the only input."""
        return STREAM if self.output is None and self.inputs == (STREAM,) else self.output

    @property
    def suffix(self) -> str | None:
        """The suffix of ``--format``, which may be written ``png`` or ``.png``."""
        return None if self.format is None else f".{self.format.lstrip('.')}"

    @property
    def existing(self) -> Existing:
        """How existing outputs are treated."""
        from ..batch.existing import Existing

        if self.overwrite:
            return Existing.OVERWRITE
        if self.skip_existing:
            return Existing.SKIP
        return Existing.NEWER if self.newer else Existing.REFUSE


def make_settings(context: click.Context, given: dict[str, Any]) -> tuple[Settings, list[Request]]:
    """Make the settings of the command and the requests for each file: one, or several if a target is repeated.

    Args:
        context: the command's context, which knows the source of each value.
        given: the inputs and the options, by name.

    Raises:
        UsageError: two options contradict each other.
        RequestError: the value of an option is invalid.
    """
    for exclusive in _EXCLUSIVE:
        _drop_overridden_defaults(context, given, exclusive)
    settings = Settings(**{name: given.pop(name) for name in Settings._fields})
    _refuse_contradictions(settings, given["mode"])
    return settings, _requests(**given)


def _drop_overridden_defaults(context: click.Context, given: dict[str, Any], exclusive: Sequence[str]) -> None:
    """If one of several exclusive options is on the command line, drop those from the environment."""
    sources = {name: context.get_parameter_source(name) for name in exclusive}
    if ParameterSource.COMMANDLINE in sources.values():
        environment = [name for name, source in sources.items() if source is ParameterSource.ENVIRONMENT]
        given.update({name: () if isinstance(given[name], tuple) else None for name in environment})


def variables_in_use(context: click.Context) -> str:
    """A hint that names the environment variables in use, because one of them may be the mistake."""
    source = context.get_parameter_source
    names = [parameter.name for parameter in context.command.params if parameter.name is not None]
    used = [f"{ENVIRONMENT}_{n.upper()}" for n in names if source(n) is ParameterSource.ENVIRONMENT]
    return f" (set in the environment: {', '.join(used)})" if used else ""


def _refuse_contradictions(settings: Settings, mode: str | None) -> None:
    if not settings.inputs and settings.files_from is None:
        raise click.UsageError("Missing argument 'INPUT...': give files, or - for standard input.")
    policies = {"overwrite": settings.overwrite, "skip-existing": settings.skip_existing, "newer": settings.newer}
    given = [f"--{name}" for name, is_given in policies.items() if is_given]
    if len(given) > 1:
        raise click.UsageError(f"{' and '.join(given)} contradict each other")
    if settings.base is not None and settings.files_from is None:
        raise click.UsageError("--base has no effect without --files-from")
    if settings.copy_others and not settings.recursive:
        raise click.UsageError("--copy-others has no effect without -r")
    if settings.files_from == STREAM and STREAM in settings.inputs:
        raise click.UsageError("standard input cannot be both an input and the list of --files-from")
    if settings.destination == STREAM and settings.json and not settings.dry_run:
        raise click.UsageError("standard output cannot hold both the output and the lines of --json")
    if STREAM in (settings.report, settings.failed_to):
        raise click.UsageError("--report and --failed-to need a file name, not '-'")
    if settings.region is not None and settings.compare is None:
        raise click.UsageError("--region has no effect without --compare")
    unused = {"--mode": mode, "--format": settings.format, "--dry-run": settings.dry_run, "--pair": settings.pair}
    if settings.compare is not None and any(unused.values()):
        names = " and ".join(name for name, value in unused.items() if value)
        raise click.UsageError(f"{names}: has no effect with --compare, which names the modes and writes PNG files")


def _requests(
    scale: Sequence[str],
    size: Sequence[str],
    width: Sequence[str],
    height: Sequence[str],
    spacing: Sequence[str],
    fit: Sequence[str],
    cover: Sequence[str],
    no_premultiply: bool,
    no_provenance: bool,
    max_memory: str | None,
    rescale: str | None,
    background: str | None,
    outside: str | None,
    nodata: str | None,
    **rest: Any,
) -> list[Request]:
    """A request for each value of the target. Without a target, or with several kinds, `Request` raises the error."""
    targets = [
        *(("scale", PerAxis.parse(text, "--scale")) for text in scale),
        *(parse_size(text) for text in size),
        *(("size", sides) for sides in _sides(width, height)),
        *(("spacing", PerAxis.parse(text, "--spacing")) for text in spacing),
        *(("fit", PerAxis.parse(text, "--fit", whole=True)) for text in fit),
        *(("cover", PerAxis.parse(text, "--cover", whole=True)) for text in cover),
    ]
    kinds: dict[str, Any] = dict(targets)
    options: dict[str, Any] = {
        "premultiply": not no_premultiply,
        "provenance": not no_provenance,
        "max_memory": None if max_memory is None else parse_bytes(max_memory, "--max-memory"),
        **parse_conversion(rescale, background),
        "outside": None if outside is None else parse_number_or("edge", outside, "--outside"),
        "nodata": None if nodata is None else parse_number_or("none", nodata, "--nodata"),
        **rest,
    }
    if size and (width or height):
        raise click.UsageError("--size contradicts --width and --height; give one or the other")
    if len(kinds) != 1:
        return [Request(**{**kinds, **options})]
    return [Request(**{kind: target, **options}) for kind, target in targets]


def _sides(width: Sequence[str], height: Sequence[str]) -> list[PerAxis]:
    """The sizes that ``--width`` and ``--height`` set: each value of one of them, or a single value of both."""
    if width and height:
        if len(width) > 1 or len(height) > 1:
            raise click.UsageError("--width and --height together set one size; repeat --size 800x600 for several")
        return [parse_sides(width[0], height[0])]
    return [parse_sides(text, None) for text in width] + [parse_sides(None, text) for text in height]
