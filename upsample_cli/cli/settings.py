"""From options to what they ask for: of the command as a whole, and of each file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from click.core import ParameterSource

from ..batch.stdio import STREAM
from ..resize.request import TARGETS, PerAxis, Request, parse_bytes
from .help import ENVIRONMENT

if TYPE_CHECKING:
    from ..batch.existing import Existing

_RIVALS = (TARGETS, ("overwrite", "skip_existing", "newer"), ("compare", "mode"))  # of which one can be given


class Settings(NamedTuple):
    """What was asked for, apart from what is done to each file: options by their names."""

    inputs: tuple[str, ...]
    files_from: str | None
    recursive: bool
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
        """What the outputs are called: from a stream to a stream, unless something else is said."""
        return STREAM if self.output is None and self.inputs == (STREAM,) else self.output

    @property
    def suffix(self) -> str | None:
        """What names of the format that is asked for end with, however it is written: ``png`` or ``.png``."""
        return None if self.format is None else f".{self.format.lstrip('.')}"

    @property
    def existing(self) -> Existing:
        """What happens to outputs that exist."""
        from ..batch.existing import Existing

        if self.overwrite:
            return Existing.OVERWRITE
        if self.skip_existing:
            return Existing.SKIP
        return Existing.NEWER if self.newer else Existing.REFUSE


def make_settings(context: click.Context, given: dict[str, Any]) -> tuple[Settings, Request]:
    """What the options ask for of the command, and of each file.

    Args:
        context: of the command, which knows what comes from the environment.
        given: the options by their names, and the inputs.

    Raises:
        UsageError: two options contradict each other.
        RequestError: one makes no sense.
    """
    for rivals in _RIVALS:
        _let_defaults_yield(context, given, rivals)
    settings = Settings(**{name: given.pop(name) for name in Settings._fields})
    _refuse_contradictions(settings, given["mode"])
    return settings, _request(**given)


def _let_defaults_yield(context: click.Context, given: dict[str, Any], rivals: Sequence[str]) -> None:
    """Of options of which one can be given, let what the command line says replace what the environment says."""
    sources = {name: context.get_parameter_source(name) for name in rivals}
    if ParameterSource.COMMANDLINE in sources.values():
        given.update({name: None for name, source in sources.items() if source is ParameterSource.ENVIRONMENT})


def variables_in_use(context: click.Context) -> str:
    """A hint that names the environment variables in use, since the mistake may not be on the command line."""
    source = context.get_parameter_source
    names = [parameter.name for parameter in context.command.params if parameter.name is not None]
    taken = [f"{ENVIRONMENT}_{n.upper()}" for n in names if source(n) is ParameterSource.ENVIRONMENT]
    return f" (the environment has {', '.join(taken)})" if taken else ""


def _refuse_contradictions(settings: Settings, mode: str | None) -> None:
    if not settings.inputs and settings.files_from is None:
        raise click.UsageError("Missing argument 'INPUT...'.")
    policies = {"overwrite": settings.overwrite, "skip-existing": settings.skip_existing, "newer": settings.newer}
    given = [f"--{name}" for name, is_given in policies.items() if is_given]
    if len(given) > 1:
        raise click.UsageError(f"{' and '.join(given)} contradict each other")
    if settings.files_from == STREAM and STREAM in settings.inputs:
        raise click.UsageError("the standard input cannot be both an input and the list of --files-from")
    if settings.destination == STREAM and settings.json and not settings.dry_run:
        raise click.UsageError("the standard output cannot be both the output and what --json prints")
    if STREAM in (settings.report, settings.failed_to):
        raise click.UsageError("--report and --failed-to want names of files, and - is none")
    if settings.region is not None and settings.compare is None:
        raise click.UsageError("--region only has a meaning with --compare")
    senseless = {"--mode": mode, "--format": settings.format, "--dry-run": settings.dry_run, "--pair": settings.pair}
    if settings.compare is not None and any(senseless.values()):
        names = " and ".join(name for name, value in senseless.items() if value)
        raise click.UsageError(f"{names}: has no meaning with --compare, which names the modes and writes PNG files")


def _request(
    scale: str | None,
    size: str | None,
    spacing: str | None,
    fit: str | None,
    no_premultiply: bool,
    no_provenance: bool,
    max_memory: str | None,
    **rest: Any,
) -> Request:
    return Request(
        scale=None if scale is None else PerAxis.parse(scale, "--scale"),
        size=None if size is None else PerAxis.parse(size, "--size", whole=True),
        spacing=None if spacing is None else PerAxis.parse(spacing, "--spacing"),
        fit=None if fit is None else PerAxis.parse(fit, "--fit", whole=True),
        premultiply=not no_premultiply,
        provenance=not no_provenance,
        max_memory=None if max_memory is None else parse_bytes(max_memory, "--max-memory"),
        **rest,
    )
