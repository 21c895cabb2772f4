"""Options of the command by group, with the help texts of ``--help`` and the man page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import click
from click.types import StringParamType

from ..core.modes import LABEL_KERNELS, MODES
from ..pipeline.request import DTYPES
from .help import COMPARING, INPUTS, MESSAGES, OUTPUTS, RUNNING, SAMPLING, SIZE

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

Decorator: TypeAlias = Callable[[Any], Any]


class Option(click.Option):
    """An option with the heading under which the help shows it.

    Attributes:
        group: the heading.
        bare: the value of the option if the next argument is not one; None if the option needs a value.
        pattern: a regular expression that tells values from other arguments, for an option with a `bare` value.
    """

    def __init__(self, *args: Any, group: str, bare: str | None = None, pattern: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.group, self.bare, self.pattern = group, bare, pattern


class Files(StringParamType):
    """File names, which the shell completes."""

    name = "file"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Let the shell complete file names."""
        from click.shell_completion import CompletionItem  # needed for completion only

        return [CompletionItem(incomplete, type="file")]


class Words(StringParamType):
    """One of some words, or a comma-separated list of them. They are checked later, with a better message."""

    name = "word"

    def __init__(self, words: Sequence[str], several: bool = False) -> None:
        """Complete `words`, each item of a list if `several`."""
        self._words, self._several = words, several

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Complete the last word."""
        from click.shell_completion import CompletionItem

        before, comma, prefix = incomplete.rpartition(",") if self._several else ("", "", incomplete)
        return [CompletionItem(before + comma + word) for word in self._words if word.startswith(prefix)]


class WholeNumber(click.IntRange):
    """A whole number in a range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            limits = f"from {self.min} to {self.max}" if self.max is not None else f"of {self.min} or more"
            self.fail(f"{value!r} is not a whole number {limits}", param, ctx)


def _option(group: str, *names: str, **settings: Any) -> Decorator:
    return click.option(*names, cls=Option, group=group, **settings)


def _all_of(*decorators: Decorator) -> Decorator:
    """Combine decorators into one; the first is the outermost."""

    def decorate(function: Any) -> Any:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


class Target(StringParamType):
    """Numbers for axes, in an option that may be repeated; an environment variable holds one value, spaces included."""

    name = "numbers"

    def split_envvar_value(self, rv: str) -> Sequence[str]:
        """The value as a whole."""
        return [rv]


def _target(name: str, metavar: str, description: str) -> Decorator:
    return _option(SIZE, name, metavar=metavar, type=Target(), multiple=True, help=description)


size_options = _all_of(
    _target("--scale", "F", "Factor: 2, 50%, 1/3, or 2,2,1 for x,y,z, or by name: z=1,y=2,x=2."),
    _target(
        "--size", "N", "Samples: 1024x768 (width first), 256x256x180, x=1024, 50%; 800x and x600 keep proportions."
    ),
    _target("--width", "N", "Width in samples; the height follows from the proportions, or from --height."),
    _target("--height", "N", "Height in samples; the width follows from the proportions, or from --width."),
    _target("--spacing", "D", "Sample spacing, in the file's unit unless D has one: 1, 0.5um, 1,1,2, z=0.5."),
    _option(
        SIZE,
        "--isotropic",
        metavar="[coarsest]",
        bare="finest",
        pattern="finest|coarsest",
        help="The spacing of the finest axis for all axes, or of the coarsest.",
    ),
    _target("--fit", "BOX", "Largest size with the input's proportions in a box: 256, 1920x1080; z only if named."),
    _target("--cover", "BOX", "Cover a box with the input's proportions, and crop to its centre: 300x200."),
    _option(
        SIZE,
        "--like",
        metavar="FILE",
        type=Files(),
        help="Use the grid of a reference file: sizes, spacing and position; for pictures, the size only.",
    ),
    _option(
        SIZE,
        "--outside",
        metavar="VALUE",
        help="Value of samples outside the input with --like and --pair (default 0), or edge to repeat the border.",
    ),
    _option(SIZE, "--only-shrink", is_flag=True, help="Axes that would grow keep their size."),
    _option(SIZE, "--only-enlarge", is_flag=True, help="Axes that would shrink keep their size."),
)
sampling_options = _all_of(
    _option(
        SAMPLING,
        "--mode",
        metavar="M",
        type=Words(tuple(MODES)),
        help="linear (default; nearest-exact for files marked as labels), cubic, lanczos, area, box, nearest, "
        "nearest-exact or label; bilinear, bicubic and trilinear also require exactly 2, 2 and 3 resized axes.",
    ),
    _option(
        SAMPLING,
        "--label-kernel",
        metavar="M",
        type=Words(LABEL_KERNELS),
        default="linear",
        show_default=True,
        help="Weights of mode label: linear, cubic or box.",
    ),
    _option(
        SAMPLING,
        "--nodata",
        metavar="VALUE",
        help="Value of missing samples, such as -9999 or nan, which get no weight; none ignores the value in the file.",
    ),
    _option(
        SAMPLING,
        "--align-corners/--no-align-corners",
        help="Align the centres of the corner samples instead of their outer edges.",
    ),
    _option(SAMPLING, "--antialias/--no-antialias", help="Smooth while shrinking (recommended for photos)."),
    _option(
        SAMPLING,
        "--draft",
        is_flag=True,
        help="Let the decoder shrink JPEG files first, to at least twice the output's size; needs --antialias. "
        "Much faster for thumbnails, but not exactly the mode's result.",
    ),
    _option(
        SAMPLING,
        "--recompute-scale-factor",
        is_flag=True,
        help="Sample at the ratio of the sizes instead of the factor.",
    ),
    _option(SAMPLING, "--no-premultiply", is_flag=True, help="Do not weight colours by alpha, as PyTorch does not."),
    _option(
        SAMPLING,
        "--linear-light",
        is_flag=True,
        help="Interpolate colours in linear light, by their ICC profile or sRGB.",
    ),
    _option(
        SAMPLING,
        "--axes",
        metavar="NAMES",
        help="Axis names for a file without them, slowest first, from t z c y x s: tzyx, zcyx, yxs.",
    ),
    _option(
        SAMPLING,
        "--series",
        metavar="N",
        type=WholeNumber(0),
        help="Resize only this image of a file with several, counted from 0.",
    ),
)
input_options = _all_of(
    _option(
        INPUTS,
        "--truncated",
        is_flag=True,
        help="Read damaged or truncated pictures as far as possible, with a warning. Default: an error.",
    ),
    _option(
        INPUTS,
        "-r",
        "--recursive",
        is_flag=True,
        help="Search directories at any depth for files of known type. Hidden files and links to directories are "
        "skipped.",
    ),
    _option(
        INPUTS,
        "--copy-others",
        is_flag=True,
        help="With -r and -o OUT/, also copy files of other types, such as .json sidecars.",
    ),
    _option(
        INPUTS,
        "--files-from",
        metavar="LIST",
        type=Files(),
        help="Read more file names from a file, one per line or NUL-separated; - is standard input.",
    ),
    _option(
        INPUTS,
        "--base",
        metavar="DIR",
        type=Files(),
        help="Directory below which the listed files lie, and whose subdirectories -o OUT/ mirrors. Default: the "
        "deepest that contains all of them.",
    ),
    _option(
        INPUTS,
        "--include",
        metavar="PATTERN",
        multiple=True,
        help="Only inputs whose name matches: '*.png', 'anat/*'. Repeatable.",
    ),
    _option(
        INPUTS,
        "--exclude",
        metavar="PATTERN",
        multiple=True,
        help="Skip inputs and directories whose name matches. Repeatable.",
    ),
    _option(
        INPUTS,
        "--pair",
        metavar="RULE",
        multiple=True,
        help="IMAGE=OTHER:MODE: also resize the companion of each image, found by its name, onto the same grid in its "
        "own mode: '*_T1w.nii.gz=*_dseg.nii.gz:label'. Each * matches the same text on both sides. Repeatable.",
    ),
)
output_options = _all_of(
    _option(
        OUTPUTS,
        "-o",
        "--output",
        metavar="PATH",
        type=Files(),
        help="A file, a directory, - for standard output, or a template, see Templates. Missing directories are made. "
        "Default: {stem}_upsampled{ext} beside the input.",
    ),
    _option(OUTPUTS, "--format", metavar="EXT", help="Format if the output's name does not set it: png, tif, nii.gz …"),
    _option(OUTPUTS, "--overwrite", is_flag=True, help="Replace outputs that exist. Default: an error."),
    _option(OUTPUTS, "--skip-existing", is_flag=True, help="Skip inputs whose output exists."),
    _option(OUTPUTS, "--newer", is_flag=True, help="Replace outputs that are older than their input, skip others."),
    _option(
        OUTPUTS,
        "--quality",
        metavar="Q",
        type=WholeNumber(1, 100),
        help="Quality of lossy codecs such as JPEG and WebP. Default: the input's.",
    ),
    _option(
        OUTPUTS,
        "--compress-level",
        metavar="N",
        type=WholeNumber(0, 9),
        help="Compression of PNG, TIFF and gzip: 0 fast, 9 small.",
    ),
    _option(
        OUTPUTS,
        "--dtype",
        metavar="TYPE",
        type=Words(DTYPES),
        help="Data type of the samples: uint8, uint16, float32 … Values are kept, rounded and saturated.",
    ),
    _option(
        OUTPUTS,
        "--rescale",
        metavar="[LOW,HIGH]",
        bare="full",
        pattern=r"[-+.\de]+,[-+.\de]+|full",
        help="Map the full range of the input, or the values LOW to HIGH, to the full range of the data type.",
    ),
    _option(
        OUTPUTS,
        "--background",
        metavar="COLOUR",
        help="Put transparent pixels on a colour, such as white or '#ff8800', for formats without alpha.",
    ),
    _option(
        OUTPUTS,
        "--strip",
        is_flag=True,
        help="Omit names, places, dates and comments (EXIF, XMP …); keep the colour profile and geometry.",
    ),
    _option(OUTPUTS, "--no-provenance", is_flag=True, help="Do not record in the output how it was made."),
    _option(
        OUTPUTS,
        "--verify",
        is_flag=True,
        help="Reread each output with different code and check it against its input and the plan.",
    ),
)
running_options = _all_of(
    _option(
        RUNNING, "--dry-run", is_flag=True, help="Print the plan with sizes, spacing and memory, and write nothing."
    ),
    _option(
        RUNNING,
        "-j",
        "--jobs",
        metavar="N",
        type=WholeNumber(1),
        help="Files processed in parallel. Default: one per core.",
    ),
    _option(
        RUNNING,
        "--cluster",
        metavar="ADDRESS",
        help="Run on the workers of a Dask scheduler: tcp://HOST:PORT, a scheduler file, or local.",
    ),
    _option(
        RUNNING,
        "--threads",
        metavar="N",
        type=WholeNumber(1),
        help="Compute threads, shared among the files in progress. Default: one per core.",
    ),
    _option(
        RUNNING,
        "--max-memory",
        metavar="BYTES",
        help="Working memory of all files together: 500M, 4G. Default: a quarter of the machine's, at most 1 GiB for a "
        "single file.",
    ),
)
comparing_options = _all_of(
    _option(
        COMPARING,
        "--compare",
        metavar="MODES",
        type=Words(tuple(MODES), several=True),
        help="Write one picture that compares a detail in several modes: nearest,linear,cubic.",
    ),
    _option(
        COMPARING,
        "--region",
        metavar="X,Y,W,H",
        help="The detail in samples of the input, or x=10:60,y=0:50. Default: the most detailed region.",
    ),
)
message_options = _all_of(
    _option(MESSAGES, "--progress/--no-progress", default=None, help="Show a progress bar. Default: on a terminal."),
    _option(MESSAGES, "--json", is_flag=True, help="Print a JSON object for each file when it ends."),
    _option(
        MESSAGES,
        "--report",
        metavar="FILE",
        type=Files(),
        help="Write an HTML page with previews of all inputs and outputs.",
    ),
    _option(
        MESSAGES,
        "--failed-to",
        metavar="LIST",
        type=Files(),
        help="Write the names of inputs that failed or were not reached to a file for --files-from.",
    ),
    _option(MESSAGES, "-q", "--quiet", is_flag=True, help="Print only errors."),
    _option(
        MESSAGES, "-v", "--verbose", is_flag=True, help="Also print the plan of each file, and the traceback of a bug."
    ),
)


def _print_and_exit(name: str, text: Callable[[click.Context], str], description: str) -> Decorator:
    """An option that prints a text and exits."""

    def callback(context: click.Context, parameter: click.Parameter, given: bool) -> None:
        if given and not context.resilient_parsing:
            click.echo(text(context))
            context.exit()

    fixed: dict[str, Any] = {"is_flag": True, "is_eager": True, "expose_value": False, "allow_from_autoenv": False}
    return _option(MESSAGES, name, callback=callback, help=description, **fixed)


def _version(context: click.Context) -> str:
    from .version import version_text  # loads the compiled kernel

    return version_text()


def _man_page(context: click.Context) -> str:
    from .man_page import man_page  # rarely needed

    return man_page(context)


about_options = _all_of(
    _print_and_exit("--man", _man_page, "Print the man page; to read it: upsample --man | man -l -"),
    _print_and_exit("--version", _version, "Print the version and the compute kernel."),
)
