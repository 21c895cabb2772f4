"""The command: options in, a request out; it prints, and it alone turns errors into text and exit codes.

Nothing heavier than Click is imported until the options are known to make sense.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

import click

from . import __version__
from .errors import InternalError, OutputError, UpsampleError, shown
from .request import PerAxis, Request, parse_bytes

if TYPE_CHECKING:
    from .batch import Result
    from .geometry import Axis, Grid
    from .plan import Plan

_INTERRUPTED, _TERMINATED, _BUG = 130, 143, 1
_BY_COUNT = {"linear": {2: "bilinear", 3: "trilinear"}, "cubic": {2: "bicubic"}}


_SIZE, _HOW, _FILES, _TALK = "Size (exactly one)", "Sampling", "Files", "Messages"
_MACHINE = "Machine"


class _Option(click.Option):
    """An option that knows under which heading of the help it stands."""

    def __init__(self, *args: Any, group: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.group = group


class _Command(click.Command):
    """A command whose help has its options under headings."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if isinstance(parameter, click.Option) and record is not None:
                groups.setdefault(getattr(parameter, "group", _TALK), []).append(record)
        for group, records in groups.items():
            with formatter.section(group):
                formatter.write_dl(records)


def _option(group: str, *names: str, **settings: Any) -> Callable[[Any], Any]:
    return click.option(*names, cls=_Option, group=group, **settings)


@click.command(
    cls=_Command,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""\b
Examples:
  upsample photo.jpg --scale 2
  upsample icon.png --size 256x256 --mode nearest -o big.png
  upsample stack.ome.tif --scale z=4 -o isotropic.ome.tif
  upsample brain.nii.gz --spacing 1 -o brain_1mm.nii.gz
  upsample sub-*/anat/*.nii.gz --scale 2 --skip-existing
  upsample wave.npy --size 1000 --align-corners --dry-run

\b
Exit codes: 0 done, 1 a bug, 2 usage, 3 an input cannot be read, 4 an output cannot be
written or exists, 5 some of several files failed, 130 interrupted, 143 terminated.""",
)
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True)
@_option(_SIZE, "--scale", metavar="F", help="Factor: 2, or 2,2,1 for x,y,z, or by name: z=1,y=2,x=2.")
@_option(_SIZE, "--size", metavar="N", help="Samples: 1024x768 (width first), 256x256x180, or x=1024.")
@_option(_SIZE, "--spacing", metavar="D", help="Distance between samples in the file's unit: 1, or 1,1,2, or z=0.5.")
@_option(_SIZE, "--fit", metavar="BOX", help="The largest size of the same proportions inside a box: 1024x1024.")
@_option(_SIZE, "--like", metavar="FILE", help="The size of a reference file.")
@_option(
    _HOW,
    "--mode",
    metavar="M",
    help="linear (default; nearest where a file says that it holds labels), cubic, lanczos, area, nearest, "
    "nearest-exact or label; bilinear, trilinear and bicubic also assert the number of axes.",
)
@_option(
    _HOW,
    "--label-kernel",
    metavar="M",
    default="linear",
    show_default=True,
    help="How mode label weighs each label: linear or cubic.",
)
@_option(_HOW, "--align-corners/--no-align-corners", help="Align the centres of corner samples, not their outer edges.")
@_option(_HOW, "--antialias/--no-antialias", help="Average finer detail away where an axis shrinks.")
@_option(_HOW, "--recompute-scale-factor", is_flag=True, help="Sample at the ratio of the sizes, not at the factor.")
@_option(_HOW, "--no-premultiply", is_flag=True, help="Interpolate colours without regard to alpha, as PyTorch does.")
@_option(
    _HOW, "--linear-light", is_flag=True, help="Interpolate colours as amounts of light, by their ICC profile or sRGB."
)
@_option(
    _HOW, "--axes", metavar="NAMES", help="Axes of a file that does not name them, slowest first: tzyx, zcyx, yxs."
)
@_option(_HOW, "--series", metavar="N", type=click.IntRange(0), help="Only this image of a file that holds several.")
@_option(
    _FILES,
    "-o",
    "--output",
    metavar="PATH",
    help="A file, a directory, or a template with {stem} {ext} {parent} {size} {scale} {mode}. "
    "Default: {stem}_upsampled{ext} beside the input.",
)
@_option(_FILES, "--overwrite", is_flag=True, help="Replace outputs that exist.")
@_option(_FILES, "--skip-existing", is_flag=True, help="Leave out inputs whose output exists.")
@_option(_FILES, "--quality", metavar="Q", type=click.IntRange(1, 100), help="Of JPEG and WebP. Default: as the input.")
@_option(
    _FILES, "--compress-level", metavar="N", type=click.IntRange(0, 9), help="Of PNG, TIFF and gzip: 0 fast, 9 small."
)
@_option(_FILES, "--no-provenance", is_flag=True, help="Do not note in the output what has been done to it.")
@_option(_FILES, "--verify", is_flag=True, help="Read each output again and compare it with its input and the plan.")
@_option(_FILES, "--dry-run", is_flag=True, help="Print what would be done, and write nothing.")
@_option(_MACHINE, "--threads", metavar="N", type=click.IntRange(1), help="Threads that compute. Default: the cores.")
@_option(
    _MACHINE,
    "--max-memory",
    metavar="BYTES",
    help="Working memory, such as 500M or 4G. Default: a quarter of the machine's, 1 GiB at most.",
)
@_option(_TALK, "-q", "--quiet", is_flag=True, help="Say nothing but errors.")
@_option(_TALK, "-v", "--verbose", is_flag=True, help="Say more: the plan of each file, and the traceback of a bug.")
@click.version_option(__version__, prog_name="upsample")
def main(
    inputs: tuple[str, ...],
    output: str | None,
    overwrite: bool,
    skip_existing: bool,
    dry_run: bool,
    quiet: bool,
    verbose: bool,
    **wanted: Any,
) -> None:
    """Resize images, TIFF stacks, NIfTI volumes and .npy arrays by PyTorch's sampling rules.

    INPUT is a file or a quoted pattern, one or more of them. The format follows the output's suffix; spacing,
    affine and DPI follow the samples.
    """
    signal.signal(signal.SIGTERM, _terminate)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # no name of a file is a reason to fail
    try:
        request = _request(**wanted)
        if overwrite and skip_existing:
            raise click.UsageError("--overwrite and --skip-existing contradict each other")
        sys.exit(_run(inputs, request, output, overwrite, skip_existing, dry_run, quiet, verbose))
    except UpsampleError as error:
        _fail(f"Error: {error}", error.exit_code)
    except KeyboardInterrupt:
        _fail("Interrupted: unfinished outputs are removed", _INTERRUPTED)
    except click.ClickException:
        raise
    except Exception as error:
        if verbose:
            click.echo(traceback.format_exc(), err=True)
        _fail(f"This is a bug: {type(error).__name__}: {error} (-v shows where)", _BUG)


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


def _run(
    inputs: tuple[str, ...],
    request: Request,
    output: str | None,
    overwrite: bool,
    skip_existing: bool,
    dry_run: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    from .batch import Report, make_jobs, run_jobs

    jobs = make_jobs(inputs, output, request, overwrite=overwrite, skip_existing=skip_existing)
    report = Report()
    for result in run_jobs(jobs, overwrite=overwrite, dry_run=dry_run):
        report.add(result)
        if result.error is not None:
            click.echo(f"Error: {result.error}", err=True)
            if verbose and isinstance(result.error, InternalError):
                click.echo(result.error.traceback, err=True)
        elif dry_run and result.plan is not None:
            _print(_whole_plan(result.plan))
        elif not quiet:
            click.echo(_one_line(result), err=True)
            if verbose and result.plan is not None:
                click.echo(_whole_plan(result.plan), err=True)
        if result.plan is not None and result.error is None and not quiet:
            for warning in result.plan.warnings:
                click.echo(f"Warning: {shown(result.job.input)}: {warning}", err=True)
    if report.total > 1 and not quiet:
        verb = "planned" if dry_run else "done"
        click.echo(f"{report.done} {verb}, {report.skipped} skipped, {report.failed} failed", err=True)
    return report.exit_code


def _one_line(result: Result) -> str:
    if result.plan is None:
        return f"{shown(result.job.output)} exists: skipped"
    plan = result.plan
    sizes = f"{_sizes(plan.before.grid)} → {_sizes(plan.after.grid)}"
    return f"{_names(plan)}: {sizes}, {plan.after.dtype.name}, {_mode_name(plan)}, {result.seconds:.2f} s"


def _whole_plan(plan: Plan) -> str:
    from .limits import in_words

    pairs = list(zip(plan.before.grid.axes, plan.after.grid.axes, strict=True))
    lines = [_names(plan)]
    lines += [f"  axis {before.name}    {_axis_change(before, after)}" for before, after in reversed(pairs)]
    lines.append(f"  samples   {plan.after.dtype.name}, computed in {plan.main.rules.working.name}")
    lines.append(f"  mode      {_mode_name(plan)}")
    lines.append(f"  output    {in_words(plan.output_bytes)} before compression")
    lines.append(f"  memory    about {in_words(plan.memory)}, besides mapped files")
    return "\n".join(lines)


def _names(plan: Plan) -> str:
    return f"{shown(plan.source_path)} → {shown(plan.output_path)}"


def _axis_change(before: Axis, after: Axis) -> str:
    sizes = f"{before.size}" if before == after else f"{before.size} → {after.size}"
    if before.spacing is None or after.spacing is None:
        return sizes
    unit = f" {after.unit}" if after.unit else ""
    if before == after:
        return f"{sizes}, spacing {before.spacing:.6g}{unit}"
    return f"{sizes}, spacing {before.spacing:.6g} → {after.spacing:.6g}{unit}"


def _mode_name(plan: Plan) -> str:
    name = plan.main.mode.name
    changed = [step.map for step in plan.main.recipe if step is not None and step.bands is not None]
    words = [_BY_COUNT.get(name, {}).get(len(changed), name)]
    words += ["antialiased"] if plan.request.antialias else []
    words += ["align-corners"] if plan.request.align_corners else []
    return " ".join(words)


def _sizes(grid: Grid) -> str:
    """Sizes in the order x×y×z, then the other axes by name."""
    spatial = "×".join(str(grid[name].size) for name in grid.spatial)
    return " ".join([spatial, *(f"{axis.name}{axis.size}" for axis in grid.axes if axis.name not in grid.spatial)])


def _print(text: str) -> None:
    """Write to the standard output."""
    try:
        click.echo(text)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left to flush has nowhere to go
        raise OutputError(f"the standard output cannot be written: {error.strerror}") from error


def _fail(message: str, code: int) -> NoReturn:
    click.echo(message, err=True)
    sys.exit(code)


def _terminate(number: int, frame: object) -> NoReturn:
    sys.exit(_TERMINATED)  # unwinds, so that unfinished outputs are removed
