"""Accepts options without their optional value, and suggests our name for an option of another tool."""

from __future__ import annotations

import difflib
import itertools
import os
import re
from collections import deque
from collections.abc import Container, Iterator, Mapping, Sequence

import click

from .options import Option

_MEANINGS = {  # the option to suggest, and the names under which other tools know it
    "--mode": "filter interpolation interp interpolator interpolate method algorithm algo resample resampling kernel "
    "order m",
    "--scale": "factor ratio zoom percent percentage upscale scale-factor magnification times",
    "--scale or --size": "s",
    "--width": "resamplewidth",  # of sips
    "--height": "resampleheight",
    "--size": "resize dimensions dims geometry shape resolution output-size target-size",
    "--spacing": "voxel voxel-size voxelsize voxels pixel-size pixelsize pixdim vox res-mm resample-spacing",
    "--spacing, such as 0.1mm (25.4mm divided by the dots per inch)": "dpi ppi density resolution",
    "--isotropic": "iso isometric",
    "--fit": "max max-size thumbnail thumb box contain inside bounding-box longest-side longest-edge "
    "long-side long-edge longside longedge max-side max-edge max-dim max-dimension resampleheightwidthmax Z",
    "--cover": "crop fill",
    "--like": "reference ref template match fixed target",
    "--only-shrink": "no-enlarge no-upscale without-enlargement shrink-only downsize down",
    "--only-enlarge": "no-shrink no-reduce without-reduction enlarge-only",
    "the name of the input without an option": "i in input infile in-file input-file src source",
    "-o FILE": "out outfile out-file output-file dest destination save",
    "-o DIR/": "output-dir outdir out-dir output-directory output-folder outputdir folder directory dir d",
    "--overwrite": "force clobber yes replace overwrite-existing f y",
    "--skip-existing": "no-clobber noclobber keep-existing ignore-existing",
    "--dry-run": "noop no-op pretend simulate test preview n",
    "--dtype": "type datatype data-type depth bit-depth output-type pixel-type",
    "--rescale": "normalize normalise stretch autocontrast range",
    "--background": "bg flatten bgcolor background-color background-colour",
    "--strip": "strip-all strip-metadata no-metadata no-exif",
    "--antialias": "anti-alias anti-aliasing antialiasing smooth blur",
    "--align-corners": "corners",
    "--recursive": "recurse",
    "--include": "glob pattern only match-name",
    "--exclude": "ignore skip",
    "--jobs": "workers processes num-workers parallel nproc p",
    "--threads": "nthreads n-threads num-threads omp-threads cpus",
    "--max-memory": "memory mem ram memory-limit",
    "--compress-level": "compression compress compression-level",
    "--axes": "dimension-order dim-order axis-order",
    "--quiet": "silent",
    "--format": "output-format out-format extension ext suffix",
}
_WITH_NUMBER = {"-q": "--quality", "--isotropic": "--spacing"}  # options without a number, and those that are meant
_LEAST_SIMILARITY = 0.8  # of a misspelt option, as by `difflib`
_OPTION_FOR = {name: option for option, names in _MEANINGS.items() for name in names.split()}


def with_bare_values(arguments: Sequence[str], options: Mapping[str, Option]) -> Iterator[str]:
    """The arguments, where options whose value may be left out have one.

    Args:
        arguments: those of the command.
        options: by name, the options whose value may be left out.
    """
    rest = deque(arguments)
    while rest:
        argument = rest.popleft()
        if argument == "--":
            yield from (argument, *rest)
            return
        option = options.get(argument)
        if option is None:
            yield argument
        elif rest and re.fullmatch(option.pattern, rest[0], re.IGNORECASE):
            yield f"{argument}={rest.popleft()}"
        else:
            yield f"{argument}={option.bare}"


def unknown_option(error: click.NoSuchOption) -> click.NoSuchOption:
    """The error with the option that has the meaning of the unknown one, if other tools have such an option."""
    name = error.option_name
    meant = _OPTION_FOR.get(name.lstrip("-"), _OPTION_FOR.get(name.lstrip("-").lower()))
    if meant is not None:
        return _suggestion(name, meant)
    similar = difflib.get_close_matches(name, error.possibilities or (), cutoff=_LEAST_SIMILARITY)
    return click.NoSuchOption(name, possibilities=similar, ctx=error.ctx)


def refuse_misplaced(arguments: Sequence[str]) -> None:
    """Refuse ``-q 80`` and ``help``, where the last word would be taken for a file.

    Raises:
        UsageError: names the option that is meant.
    """
    for option, value in itertools.pairwise(arguments):
        if option in _WITH_NUMBER and re.fullmatch(r"\d+(\.\d+)?", value) and not os.path.lexists(value):
            raise click.UsageError(f"{option} takes no number; write {_WITH_NUMBER[option]} {value}")
    if len(arguments) == 1 and arguments[0] in ("help", "version", "man") and not os.path.lexists(arguments[0]):
        raise click.UsageError(f"{arguments[0]}: does not exist; write --{arguments[0]}")


def refuse_single_dash(arguments: Sequence[str], names: Container[str]) -> None:
    """Refuse ``-scale 2`` and ``-out FILE``, which Click would read as combined short options.

    Args:
        arguments: the arguments of the command.
        names: the names of all options.

    Raises:
        NoSuchOption: names the option that is meant.
    """
    for argument in itertools.takewhile(lambda argument: argument != "--", arguments):
        word = re.fullmatch(r"-([a-z][a-z_-]{2,})", argument)
        if word is not None:
            name = f"--{word[1].replace('_', '-')}"
            if meant := name if name in names else _OPTION_FOR.get(word[1]):
                raise _suggestion(argument, meant)


def _suggestion(given: str, meant: str) -> click.NoSuchOption:
    return click.NoSuchOption(given, f"No such option {given!r}; write {meant}")
