"""The command: options in, jobs out; it alone turns errors into text and exit codes.

Nothing heavier than Click is imported until the options are known to make sense.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from . import interruption
from .command import options
from .command.settings import Settings, make_settings, names_of_defaults
from .errors import RequestError, UpsampleError

if TYPE_CHECKING:
    from .batch.jobs import Batch, Job
    from .batch.naming import Template
    from .batch.pairs import Pair
    from .batch.results import Result
    from .batch.streams import Streams
    from .command.feedback import Feedback
    from .request import Request

_INTERRUPTED, _BUG = 130, 1


class _Command(click.Command):
    """A command whose help has its options under headings."""

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        option = super().get_help_option(ctx)
        if option is not None:
            option.allow_from_autoenv = False  # a variable called UPSAMPLE_HELP is nobody's wish for it
        return option

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.BadParameter as error:
            raise click.UsageError(error.format_message() + names_of_defaults(ctx), ctx) from None

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for group, parameters in options.in_groups(self, ctx).items():
            with formatter.section(group):
                formatter.write_dl([record for p in parameters if (record := p.get_help_record(ctx)) is not None])


@click.command(
    cls=_Command,
    context_settings={
        "auto_envvar_prefix": options.ENVIRONMENT,
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
    },
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
    interruption.listen()
    if os.environ.get("NO_COLOR"):
        context.color = False
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # no name of a file is a reason to fail
    with _errors_as_text(context, given["verbose"]):
        sys.exit(_run(*make_settings(context, given)))


@contextmanager
def _errors_as_text(context: click.Context, verbose: bool) -> Iterator[None]:
    try:
        yield
    except UpsampleError as error:
        hint = names_of_defaults(context) if error.exit_code == RequestError.exit_code else ""
        _fail(f"Error: {error}{hint}", error.exit_code)
    except KeyboardInterrupt:
        _fail("Interrupted: unfinished outputs are removed", _INTERRUPTED)
    except click.UsageError as error:
        raise click.UsageError(error.format_message() + names_of_defaults(context), context) from None
    except Exception as error:
        if verbose:
            from traceback import format_exc  # for bugs alone

            click.echo(format_exc(), err=True)
        _fail(f"This is a bug: {type(error).__name__}: {error} (-v shows where)", _BUG)


def _run(settings: Settings, request: Request) -> int:
    """Do what was asked for, and give the exit code."""
    from .batch.streams import standard_streams

    with standard_streams(settings.inputs, settings.destination, settings.suffix, settings.dry_run) as streams:
        jobs = _jobs(settings, request, streams)
        with ExitStack() as stack:
            feedback = stack.enter_context(_feedback(settings, len(jobs)))
            listeners = [feedback.show, *_listeners(settings, jobs, stack)]
            results = stack.enter_context(closing(_results(settings, request, jobs, feedback)))
            for result in map(streams.deliver, results):
                for listener in listeners:
                    listener(result)
    return feedback.report.exit_code


def _jobs(settings: Settings, request: Request, streams: Streams) -> Sequence[Job]:
    from .batch.inputs import Selection
    from .batch.jobs import make_batch, with_folders

    template = _template(settings, streams)
    batch = make_batch(
        Selection(streams.inputs, _listed(settings), settings.recursive, settings.include, settings.exclude),
        template,
        request,
        pairs=_pairs(settings),
        existing=settings.existing,
    )
    if not settings.quiet:
        _tell_what_is_found(batch)
    makes_folders = template.makes_folders and not settings.dry_run
    return list(with_folders(batch.jobs)) if makes_folders else batch.jobs


def _tell_what_is_found(batch: Batch) -> None:
    if batch.left_out == 1:
        click.echo("1 file of another kind is left out", err=True)
    elif batch.left_out:
        click.echo(f"{batch.left_out} files of other kinds are left out", err=True)
    if not batch.jobs:
        click.echo("Nothing to do: there are no such files", err=True)


def _template(settings: Settings, streams: Streams) -> Template:
    from .batch.naming import Template

    if settings.compare is None:
        return Template(settings.destination, settings.suffix, streams.stdout)
    from .comparison.comparing import DEFAULT_NAME  # which few ask for, as all that follows

    return Template(settings.destination, settings.suffix, streams.stdout, default=DEFAULT_NAME)


def _listed(settings: Settings) -> list[str]:
    if settings.files_from is None:
        return []
    from .batch.lists import read_list

    return read_list(settings.files_from)


def _pairs(settings: Settings) -> list[Pair]:
    if not settings.pair:
        return []
    from .batch.pairs import Pair

    return [Pair.parse(rule) for rule in settings.pair]


def _feedback(settings: Settings, total: int) -> Feedback:
    from .command.feedback import Feedback

    return Feedback(
        total,
        quiet=settings.quiet,
        verbose=settings.verbose,
        json=settings.json,
        dry_run=settings.dry_run,
        progress=settings.progress,
    )


def _results(settings: Settings, request: Request, jobs: Sequence[Job], feedback: Feedback) -> Generator[Result]:
    overwrite = settings.existing in ("overwrite", "newer")
    if settings.compare is not None:
        from .comparison.comparing import compare_jobs, parse_variants
        from .comparison.regions import Region

        region = None if settings.region is None else Region.parse(settings.region)
        return compare_jobs(jobs, parse_variants(settings.compare), region, overwrite=overwrite)
    from .batch.running import RunOptions, run_jobs

    options = RunOptions(
        processes=settings.jobs,
        max_memory=request.max_memory,
        overwrite=overwrite,
        skip_existing=settings.existing == "skip",
        dry_run=settings.dry_run,
        thumbnails=settings.report is not None,
        progress=feedback.progress,
    )
    return run_jobs(jobs, options)


def _listeners(settings: Settings, jobs: Sequence[Job], stack: ExitStack) -> Iterator[Callable[[Result], None]]:
    """What else is told each result, and ends with `stack`."""
    if settings.dry_run:  # which writes nothing
        return
    if settings.failed_to is not None:
        from .batch.lists import FailedList

        yield stack.enter_context(FailedList(settings.failed_to, [job.input for job in jobs], settings.overwrite)).add
    if settings.report is not None:
        import shlex

        from .report.page import HtmlReport

        command = shlex.join(["upsample", *sys.argv[1:]])
        yield stack.enter_context(HtmlReport(Path(settings.report), command, settings.overwrite)).add


def _fail(message: str, code: int) -> NoReturn:
    click.echo(click.style(message, fg="red"), err=True)  # which leaves out colours where there is no terminal
    sys.exit(code)
