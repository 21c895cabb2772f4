"""The command: options in, jobs out; it alone turns errors into text and exit codes.

Nothing heavier than Click is imported until the options are known to make sense.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import click
from click.core import ParameterSource

from . import options
from .errors import RequestError, UpsampleError
from .request import TARGETS, PerAxis, Request, parse_bytes
from .streams import STREAM

if TYPE_CHECKING:
    from .batch import Job
    from .collisions import Existing
    from .feedback import Feedback
    from .pairs import Pair
    from .results import Result
    from .running import RunOptions
    from .streams import Streams

_INTERRUPTED, _TERMINATED, _BUG = 130, 143, 1


class _Command(click.Command):
    """A command whose help has its options under headings."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for group, parameters in options.in_groups(self, ctx).items():
            with formatter.section(group):
                formatter.write_dl([record for p in parameters if (record := p.get_help_record(ctx)) is not None])


class _Settings(NamedTuple):
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
    def existing(self) -> Existing:
        """What is done where an output exists."""
        if self.overwrite:
            return "overwrite"
        if self.skip_existing:
            return "skip"
        return "newer" if self.newer else "refuse"


@click.command(
    cls=_Command,
    context_settings={"auto_envvar_prefix": options.ENVIRONMENT, "max_content_width": 100},
    epilog=options.epilog(),
)
@click.argument("inputs", metavar="INPUT...", nargs=-1, type=options.Files())
@options.size_options
@options.sampling_options
@options.input_options
@options.output_options
@options.running_options
@options.comparing_options
@options.message_options
@options.about_options
@click.pass_context
def main(context: click.Context, /, **given: Any) -> None:
    """Resize images, TIFF stacks, NIfTI volumes and .npy arrays by PyTorch's sampling rules.

    INPUT is a file, a quoted pattern, a directory with -r, or - for the standard input; one or more of them. The
    format follows the output's suffix; spacing, affine and DPI follow the samples.
    """
    signal.signal(signal.SIGTERM, _terminate)
    if os.environ.get("NO_COLOR"):
        context.color = False
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # no name of a file is a reason to fail
    with _errors_as_text(context, given["verbose"]):
        _let_defaults_yield(context, given, TARGETS)
        _let_defaults_yield(context, given, ("overwrite", "skip_existing", "newer"))
        settings = _Settings(**{name: given.pop(name) for name in _Settings._fields})
        _refuse_contradictions(settings)
        sys.exit(_run(settings, _request(**given)))


@contextmanager
def _errors_as_text(context: click.Context, verbose: bool) -> Iterator[None]:
    try:
        yield
    except UpsampleError as error:
        hint = _names_of_defaults(context) if error.exit_code == RequestError.exit_code else ""
        _fail(f"Error: {error}{hint}", error.exit_code)
    except KeyboardInterrupt:
        _fail("Interrupted: unfinished outputs are removed", _INTERRUPTED)
    except click.ClickException:
        raise
    except Exception as error:
        if verbose:
            from traceback import format_exc  # for bugs alone

            click.echo(format_exc(), err=True)
        _fail(f"This is a bug: {type(error).__name__}: {error} (-v shows where)", _BUG)


def _let_defaults_yield(context: click.Context, given: dict[str, Any], rivals: Sequence[str]) -> None:
    """Of options of which one can be given, let what the command line says replace what the environment says."""
    sources = {name: context.get_parameter_source(name) for name in rivals}
    if ParameterSource.COMMANDLINE in sources.values():
        given.update({name: None for name, source in sources.items() if source is ParameterSource.ENVIRONMENT})


def _names_of_defaults(context: click.Context) -> str:
    """The variables of the environment that hold defaults, in words: what is wrong may not be on the command line."""
    source = context.get_parameter_source
    names = [parameter.name for parameter in context.command.params if parameter.name is not None]
    taken = [f"{options.ENVIRONMENT}_{n.upper()}" for n in names if source(n) is ParameterSource.ENVIRONMENT]
    return f" (the environment has {', '.join(taken)})" if taken else ""


def _refuse_contradictions(settings: _Settings) -> None:
    if not settings.inputs and settings.files_from is None:
        raise click.UsageError("Missing argument 'INPUT...'.")
    given = [
        f"--{name}" for name in ("overwrite", "skip-existing", "newer") if getattr(settings, name.replace("-", "_"))
    ]
    if len(given) > 1:
        raise click.UsageError(f"{' and '.join(given)} contradict each other")
    if settings.files_from == STREAM and STREAM in settings.inputs:
        raise click.UsageError("the standard input cannot be both an input and the list of --files-from")
    if settings.destination == STREAM and settings.json and not settings.dry_run:
        raise click.UsageError("the standard output cannot be both the output and what --json prints")


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


def _run(settings: _Settings, request: Request) -> int:
    """Do what was asked for, and give the exit code."""
    from .running import run_jobs
    from .streams import standard_streams

    with standard_streams(settings.inputs, settings.destination, settings.dry_run) as streams:
        jobs = _jobs(settings, request, streams)
        with ExitStack() as stack:
            feedback = stack.enter_context(_feedback(settings, len(jobs)))
            listeners = [feedback.show, *_listeners(settings, stack)]
            results = stack.enter_context(closing(run_jobs(jobs, _run_options(settings, request, feedback))))
            for result in map(streams.deliver, results):
                for listener in listeners:
                    listener(result)
    return feedback.report.exit_code


def _jobs(settings: _Settings, request: Request, streams: Streams) -> Sequence[Job]:
    from .batch import make_batch, with_folders
    from .inputs import Selection
    from .naming import Template

    template = Template(settings.destination, settings.format, streams.stdout)
    batch = make_batch(
        Selection(streams.inputs, _listed(settings), settings.recursive, settings.include, settings.exclude),
        template,
        request,
        pairs=_pairs(settings),
        existing=settings.existing,
    )
    if batch.left_out and not settings.quiet:
        click.echo(f"{batch.left_out} files of other kinds are left out", err=True)
    if not (batch.jobs or settings.quiet):
        click.echo("Nothing to do: there are no such files", err=True)
    makes_folders = template.makes_folders and not settings.dry_run
    return list(with_folders(batch.jobs)) if makes_folders else batch.jobs


def _listed(settings: _Settings) -> list[str]:
    if settings.files_from is None:
        return []
    from .lists import read_list  # which few ask for, as all that follows

    return read_list(settings.files_from)


def _pairs(settings: _Settings) -> list[Pair]:
    if not settings.pair:
        return []
    from .pairs import Pair

    return [Pair.parse(rule) for rule in settings.pair]


def _feedback(settings: _Settings, total: int) -> Feedback:
    from .feedback import Feedback

    return Feedback(
        total,
        quiet=settings.quiet,
        verbose=settings.verbose,
        json=settings.json,
        dry_run=settings.dry_run,
        progress=settings.progress,
    )


def _run_options(settings: _Settings, request: Request, feedback: Feedback) -> RunOptions:
    from .running import RunOptions

    return RunOptions(
        processes=settings.jobs,
        max_memory=request.max_memory,
        overwrite=settings.existing in ("overwrite", "newer"),
        skip_existing=settings.existing == "skip",
        dry_run=settings.dry_run,
        thumbnails=settings.report is not None,
        progress=feedback.progress,
    )


def _listeners(settings: _Settings, stack: ExitStack) -> Iterator[Callable[[Result], None]]:
    """What else is told each result, and ends with `stack`."""
    if settings.failed_to is not None:
        from .lists import FailedList

        yield stack.enter_context(FailedList(settings.failed_to)).add
    if settings.report is not None:
        from .report import HtmlReport

        command = " ".join(["upsample", *sys.argv[1:]])
        yield stack.enter_context(HtmlReport(Path(settings.report), command, settings.overwrite)).add


def _fail(message: str, code: int) -> NoReturn:
    click.echo(click.style(message, fg="red"), err=True)  # which leaves out colours where there is no terminal
    sys.exit(code)


def _terminate(number: int, frame: object) -> NoReturn:
    sys.exit(_TERMINATED)  # unwinds, so that unfinished outputs are removed
