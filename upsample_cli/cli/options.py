"""The options of the command, group by group, each with its help: the source of ``--help`` and of the man page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import click
from click.types import StringParamType

from .._version import __version__
from ..core.modes import LABEL_KERNELS, MODES
from .help import COMPARING, INPUTS, MESSAGES, OUTPUTS, RUNNING, SAMPLING, SIZE

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

Decorator: TypeAlias = Callable[[Any], Any]


class Option(click.Option):
    """An option that knows under which heading of the help it stands."""

    def __init__(self, *args: Any, group: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.group = group


class Files(StringParamType):
    """Names of files, which a shell can complete."""

    name = "file"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Leave it to the shell, which knows the files."""
        from click.shell_completion import CompletionItem  # which is for shells alone

        return [CompletionItem(incomplete, type="file")]


class Words(StringParamType):
    """One of some words, or a list of them; which make sense is found out later, with a better message."""

    name = "word"

    def __init__(self, words: Sequence[str], several: bool = False) -> None:
        """Know the `words`."""
        self._words, self._several = words, several

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The words that begin like the last of those that are typed."""
        from click.shell_completion import CompletionItem

        before, comma, begun = incomplete.rpartition(",") if self._several else ("", "", incomplete)
        return [CompletionItem(before + comma + word) for word in self._words if word.startswith(begun)]


def _option(group: str, *names: str, **settings: Any) -> Decorator:
    return click.option(*names, cls=Option, group=group, **settings)


def _all_of(*decorators: Decorator) -> Decorator:
    """One decorator that does what several do, the first outermost."""

    def decorate(function: Any) -> Any:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


size_options = _all_of(
    _option(SIZE, "--scale", metavar="F", help="Factor: 2, or 2,2,1 for x,y,z, or by name: z=1,y=2,x=2."),
    _option(SIZE, "--size", metavar="N", help="Samples: 1024x768 (width first), 256x256x180, or x=1024."),
    _option(SIZE, "--spacing", metavar="D", help="Distance between samples in the file's unit: 1, or 1,1,2, or z=0.5."),
    _option(SIZE, "--fit", metavar="BOX", help="The largest size of the same proportions inside a box: 1024x1024."),
    _option(SIZE, "--like", metavar="FILE", type=Files(), help="The size of a reference file."),
)
sampling_options = _all_of(
    _option(
        SAMPLING,
        "--mode",
        metavar="M",
        type=Words(tuple(MODES)),
        help="linear (default; nearest where a file says that it holds labels), cubic, lanczos, area, nearest, "
        "nearest-exact or label; bilinear, trilinear and bicubic also assert the number of axes.",
    ),
    _option(
        SAMPLING,
        "--label-kernel",
        metavar="M",
        type=Words(LABEL_KERNELS),
        default="linear",
        show_default=True,
        help="How mode label weighs each label: linear or cubic.",
    ),
    _option(
        SAMPLING,
        "--align-corners/--no-align-corners",
        help="Align the centres of corner samples, not their outer edges.",
    ),
    _option(SAMPLING, "--antialias/--no-antialias", help="Average finer detail away where an axis shrinks."),
    _option(
        SAMPLING, "--recompute-scale-factor", is_flag=True, help="Sample at the ratio of the sizes, not at the factor."
    ),
    _option(
        SAMPLING, "--no-premultiply", is_flag=True, help="Interpolate colours without regard to alpha, as PyTorch does."
    ),
    _option(
        SAMPLING,
        "--linear-light",
        is_flag=True,
        help="Interpolate colours as amounts of light, by their ICC profile or sRGB.",
    ),
    _option(
        SAMPLING,
        "--axes",
        metavar="NAMES",
        help="Axes of a file that does not name them, slowest first: tzyx, zcyx, yxs.",
    ),
    _option(
        SAMPLING, "--series", metavar="N", type=click.IntRange(0), help="Only this image of a file that holds several."
    ),
)
input_options = _all_of(
    _option(INPUTS, "-r", "--recursive", is_flag=True, help="Resize the files in directories, and in those within."),
    _option(
        INPUTS,
        "--files-from",
        metavar="LIST",
        type=Files(),
        help="A file with more names, one in each line or with NUL behind each; - is the standard input.",
    ),
    _option(
        INPUTS, "--include", metavar="PATTERN", multiple=True, help="Only inputs with such names: '*.png', 'anat/*'."
    ),
    _option(
        INPUTS, "--exclude", metavar="PATTERN", multiple=True, help="No inputs with such names, nor such directories."
    ),
    _option(
        INPUTS,
        "--pair",
        metavar="RULE",
        multiple=True,
        help="IMAGE=OTHER:MODE: what belongs to an image, by its name, is resized onto the same grid in its own mode, "
        "as in '*_T1w.nii.gz=*_dseg.nii.gz:label'.",
    ),
)
output_options = _all_of(
    _option(
        OUTPUTS,
        "-o",
        "--output",
        metavar="PATH",
        type=Files(),
        help="A file, a directory, - for the standard output, or a template with {stem} {ext} {parent} {subdir} {size} "
        "{scale} {mode}. Default: {stem}_upsampled{ext} beside the input.",
    ),
    _option(OUTPUTS, "--format", metavar="EXT", help="The format where no name says it: png, tif, nii.gz …"),
    _option(OUTPUTS, "--overwrite", is_flag=True, help="Replace outputs that exist."),
    _option(OUTPUTS, "--skip-existing", is_flag=True, help="Leave out inputs whose output exists."),
    _option(
        OUTPUTS, "--newer", is_flag=True, help="Replace outputs that are older than their input, leave out others."
    ),
    _option(
        OUTPUTS, "--quality", metavar="Q", type=click.IntRange(1, 100), help="Of JPEG and WebP. Default: as the input."
    ),
    _option(
        OUTPUTS,
        "--compress-level",
        metavar="N",
        type=click.IntRange(0, 9),
        help="Of PNG, TIFF and gzip: 0 fast, 9 small.",
    ),
    _option(OUTPUTS, "--no-provenance", is_flag=True, help="Do not note in the output what has been done to it."),
    _option(
        OUTPUTS, "--verify", is_flag=True, help="Read each output again and compare it with its input and the plan."
    ),
)
running_options = _all_of(
    _option(RUNNING, "--dry-run", is_flag=True, help="Print what would be done, and write nothing."),
    _option(
        RUNNING,
        "-j",
        "--jobs",
        metavar="N",
        type=click.IntRange(1),
        help="Files at a time. Default: one for each core.",
    ),
    _option(
        RUNNING, "--threads", metavar="N", type=click.IntRange(1), help="Threads that compute. Default: the cores."
    ),
    _option(
        RUNNING,
        "--max-memory",
        metavar="BYTES",
        help="Working memory of all files together, such as 500M or 4G. Default: a quarter of the machine's, at most "
        "1 GiB for a single file.",
    ),
)
comparing_options = _all_of(
    _option(
        COMPARING,
        "--compare",
        metavar="MODES",
        type=Words(tuple(MODES), several=True),
        help="Write one picture of a detail in several modes, nearest,linear,cubic, to choose by looking.",
    ),
    _option(
        COMPARING,
        "--region",
        metavar="X,Y,W,H",
        help="The detail, in samples of the input, or x=10:60,y=0:50. Default: where there is most to see.",
    ),
)
message_options = _all_of(
    _option(MESSAGES, "--progress/--no-progress", default=None, help="Show how far it is. Default: on a terminal."),
    _option(MESSAGES, "--json", is_flag=True, help="Print a JSON object for each file as it ends."),
    _option(
        MESSAGES,
        "--report",
        metavar="FILE",
        type=Files(),
        help="Write an HTML page with small pictures of all inputs and outputs.",
    ),
    _option(
        MESSAGES,
        "--failed-to",
        metavar="LIST",
        type=Files(),
        help="Write the names of inputs that failed to a file that --files-from reads.",
    ),
    _option(MESSAGES, "-q", "--quiet", is_flag=True, help="Say nothing but errors."),
    _option(
        MESSAGES, "-v", "--verbose", is_flag=True, help="Say more: the plan of each file, and the traceback of a bug."
    ),
)


def _about(name: str, *names: str, tell: Callable[[click.Context], str], **settings: Any) -> Decorator:
    """An option that prints something and ends the command."""

    def print_it(context: click.Context, parameter: click.Parameter, wanted: bool) -> None:
        if wanted and not context.resilient_parsing:
            click.echo(tell(context))
            context.exit()

    fixed = {"is_flag": True, "is_eager": True, "expose_value": False, "allow_from_autoenv": False}
    return _option(MESSAGES, name, *names, callback=print_it, **fixed, **settings)


def _version(context: click.Context) -> str:
    from ..core.kernel import describe  # which needs NumPy

    try:
        kernel = describe()
    except ValueError as error:  # a variable asks for one that is not there
        kernel = str(error)
    return f"upsample, version {__version__}\nkernel: {kernel}"


def _man_page(context: click.Context) -> str:
    from .man_page import man_page  # which few ask for

    return man_page(context)


about_options = _all_of(
    _about("--man", tell=_man_page, help="Print the man page: upsample --man | man -l -"),
    _about("--version", tell=_version, help="Print the version and the kernel that computes."),
)
