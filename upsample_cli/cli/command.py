"""The command: resolve options, call the library, turn errors into text and exit codes.

No slow import but Click's happens before the options are checked.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from ..batch.result import SOME_FAILED
from ..errors import InternalError, RequestError, UpsampleError, as_failure
from ..runtime.library_messages import hide_library_messages
from ..runtime.signals import install_handlers
from ..text import printable
from . import options
from .help import ENVIRONMENT, epilog, in_groups
from .settings import Settings, make_settings, variables_in_use
from .spelling import refuse_misplaced, refuse_single_dash, unknown_option, with_bare_values

if TYPE_CHECKING:
    from ..batch.job import ExecutionOptions, Job
    from ..batch.make import Batch
    from ..batch.naming import Template
    from ..batch.others import Copy
    from ..batch.pairs import Pair
    from ..batch.result import Result
    from ..batch.stdio import StandardStreams
    from ..pipeline.request import Request
    from .console import Console

_INTERRUPTED_CODE = 130


@contextmanager
def _interruptible() -> Iterator[None]:
    """Report an interruption with exit code 130; Click would print "Aborted!" and exit with 1."""
    try:
        yield
    except KeyboardInterrupt:
        _fail("Interrupted: unfinished outputs are removed", _INTERRUPTED_CODE)


class _Command(click.Command):
    """A command whose help groups the options under headings."""

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        with _interruptible():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with _interruptible():
            return super().invoke(ctx)

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        option = super().get_help_option(ctx)
        if option is not None:
            option.allow_from_autoenv = False  # UPSAMPLE_HELP must not turn every call into --help
        return option

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        optional = {name: p for p in self.params if isinstance(p, options.Option) and p.bare for name in p.opts}
        try:
            refuse_misplaced(args)
            refuse_single_dash(args, {name for p in self.params for name in (*p.opts, *p.secondary_opts)})
            return super().parse_args(ctx, [*with_bare_values(args, optional)])
        except click.UsageError as error:
            if isinstance(error, click.NoSuchOption):
                error = unknown_option(error)
            raise click.UsageError(printable(error.format_message()) + variables_in_use(ctx), ctx) from None

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for group, parameters in in_groups(self, ctx).items():
            with formatter.section(group):
                formatter.write_dl([record for p in parameters if (record := p.get_help_record(ctx)) is not None])


@click.command(
    cls=_Command,
    context_settings={
        "auto_envvar_prefix": ENVIRONMENT,
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
        "token_normalize_func": lambda name: name.replace("_", "-"),  # --align_corners is --align-corners
    },
    epilog=epilog(),
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

    INPUT is a file, a quoted pattern, a directory with -r, or - for standard input; give one or more. The suffix of
    the output sets its format; spacing, affine and DPI are updated.
    """
    install_handlers()
    hide_library_messages()
    if os.environ.get("NO_COLOR"):
        context.color = False
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # file names may contain characters that cannot be encoded
    with _errors_as_text(context, given["verbose"]):
        sys.exit(_run(*make_settings(context, given)))


@contextmanager
def _errors_as_text(context: click.Context, verbose: bool) -> Iterator[None]:
    try:
        yield
    except UpsampleError as error:
        hint = variables_in_use(context) if error.exit_code == RequestError.exit_code else ""
        _fail(f"Error: {error}{hint}", error.exit_code)
    except click.UsageError as error:
        raise click.UsageError(printable(error.format_message()) + variables_in_use(context), context) from None
    except Exception as error:
        failure = as_failure(error, None, "choose a smaller output")
        if verbose and isinstance(failure, InternalError):
            from .terminal import print_message

            print_message(failure.traceback)
        _fail(f"{'' if isinstance(failure, InternalError) else 'Error: '}{failure}", failure.exit_code)


def _run(settings: Settings, requests: Sequence[Request]) -> int:
    """Run the command, and return its exit code."""
    from ..batch.stdio import standard_streams
    from .implied_output import with_implied_output

    settings = with_implied_output(settings)
    with standard_streams(settings.inputs, settings.destination, settings.suffix, settings.dry_run) as streams:
        batch, copies = _make_batch(settings, requests, streams)
        with ExitStack() as stack:
            console = stack.enter_context(_console(settings, len(batch.jobs)))
            listeners = [console.show, *_listeners(settings, batch.jobs, stack)]
            results = stack.enter_context(closing(_results(settings, requests[0], batch.jobs, console)))
            for result in map(streams.finish, results):
                for listener in listeners:
                    listener(result)
    are_copied = _copy(copies, settings) if copies and not settings.dry_run else True
    return console.report.exit_code or (0 if are_copied else SOME_FAILED)


def _copy(copies: Sequence[Copy], settings: Settings) -> bool:
    """Copy the files of other types, and return whether all of them were copied."""
    from ..batch.others import copy_files
    from .terminal import print_message

    errors = list(copy_files(copies, settings.existing))
    for error in errors:
        print_message(f"Error: {error}", "red")
    return not errors


def _make_batch(
    settings: Settings, requests: Sequence[Request], streams: StandardStreams
) -> tuple[Batch, Sequence[Copy]]:
    from ..batch.inputs import Selection
    from ..batch.make import make_batch

    listed, filters = _listed(settings), (settings.include, settings.exclude)
    selection = Selection(streams.inputs, listed, settings.base, settings.recursive, *filters)
    template = _template(settings, streams, selection.several or bool(settings.pair))
    batch = make_batch(selection, template, requests, pairs=_pairs(settings), existing=settings.existing)
    copies: Sequence[Copy] = ()
    if settings.copy_others:
        from ..batch.others import plan_copies

        copies = plan_copies(batch.ignored, streams.inputs, template, settings.existing)
    if not settings.quiet:
        _report_inputs(batch, copies, settings.verbose)
    return batch, copies


def _report_inputs(batch: Batch, copies: Sequence[Copy], verbose: bool) -> None:
    from .result_text import other_files
    from .terminal import print_message

    copied = {str(copy.source) for copy in copies}
    for names, fate in ((sorted(copied), "copying"), ([n for n in batch.ignored if n not in copied], "skipped")):
        if names:
            print_message(other_files(names, fate, by_name=verbose))
    if not batch.jobs:
        print_message("Nothing to do: no matching files")


def _template(settings: Settings, streams: StandardStreams, several: bool) -> Template:
    from ..batch.naming import DEFAULT_NAME, Template

    default = DEFAULT_NAME
    if settings.compare is not None:
        from ..compare import run  # imports Pillow

        default = run.DEFAULT_NAME
    return Template(settings.destination, settings.suffix, streams.stdout, default, several)


def _listed(settings: Settings) -> list[str]:
    if settings.files_from is None:
        return []
    from ..batch.lists import read_list

    return read_list(settings.files_from)


def _pairs(settings: Settings) -> list[Pair]:
    if not settings.pair:
        return []
    from ..batch.pairs import Pair

    return [Pair.parse(rule) for rule in settings.pair]


def _console(settings: Settings, total: int) -> Console:
    from .console import Console

    return Console(
        total,
        quiet=settings.quiet,
        verbose=settings.verbose,
        json=settings.json,
        dry_run=settings.dry_run,
        progress=settings.progress,
    )


def _results(settings: Settings, request: Request, jobs: Sequence[Job], console: Console) -> Generator[Result]:
    if settings.compare is not None:
        from ..compare.region import Region
        from ..compare.run import compare_jobs, parse_variants

        region = None if settings.region is None else Region.parse(settings.region)
        return compare_jobs(jobs, parse_variants(settings.compare), region, overwrite=settings.existing.replaces)
    from ..batch.job import ExecutionOptions
    from ..batch.run import run_jobs

    options = ExecutionOptions(
        processes=settings.jobs,
        max_memory=request.max_memory,
        existing=settings.existing,
        dry_run=settings.dry_run,
        thumbnails=settings.report is not None,
        progress=console.progress,
        planned=console.plan if settings.verbose and not settings.dry_run else None,
    )
    if settings.cluster is None:
        return run_jobs(jobs, options)
    return _cluster_results(settings.cluster, jobs, options)


def _cluster_results(address: str, jobs: Sequence[Job], options: ExecutionOptions) -> Generator[Result]:
    from ..batch.run import run_jobs
    from ..runtime.cluster import connect

    with connect(address) as workers:
        yield from run_jobs(jobs, options, workers)


def _listeners(settings: Settings, jobs: Sequence[Job], stack: ExitStack) -> Iterator[Callable[[Result], None]]:
    """The other consumers of results, which `stack` closes."""
    files = {"--failed-to": settings.failed_to, "--report": settings.report}
    written = {option: Path(name) for option, name in files.items() if name is not None}
    if written:
        _refuse_shared_files(settings, jobs, written)
    if settings.dry_run:  # which writes no files
        return
    if settings.failed_to is not None:
        from ..batch.lists import FailedList, listed_name

        names = [listed_name(job.input, job.subdir) for job in jobs]
        yield stack.enter_context(FailedList(settings.failed_to, names, settings.overwrite)).add
    if settings.report is not None:
        import shlex

        from ..report.page import HtmlReport

        command = shlex.join(["upsample", *sys.argv[1:]])
        yield stack.enter_context(HtmlReport(Path(settings.report), command, settings.overwrite)).add


def _refuse_shared_files(settings: Settings, jobs: Sequence[Job], written: Mapping[str, Path]) -> None:
    from ..batch.conflicts import refuse_shared_files
    from ..batch.stdio import STREAM
    from ..runtime.destination import descriptor_of

    refuse_shared_files(jobs, written)
    for option, path in written.items():
        if descriptor_of(path) == 1 and (settings.json or settings.destination == STREAM):
            other = "the lines of --json" if settings.json else "the output"
            raise RequestError(f"standard output cannot hold both {other} and the file of {option}")
        if option == "--report" and settings.files_from not in (None, STREAM) and _is_same(path, settings.files_from):
            raise RequestError(f"{option}: would overwrite the list of --files-from; choose another name", path)


def _is_same(path: Path, name: str | None) -> bool:
    with suppress(OSError):
        return name is not None and path.samefile(name)
    return False


def _fail(message: str, code: int) -> NoReturn:
    from .terminal import print_message

    print_message(message, "red")
    sys.exit(code)
