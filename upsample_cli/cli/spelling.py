"""What people type who come from other tools: options whose value may be left out, and names of options."""

from __future__ import annotations

import itertools
import re
from collections.abc import Container, Iterator, Mapping, Sequence

import click

from .options import Option

_MEANINGS = {  # the option to suggest, and the names under which other tools know it
    "--mode": "filter interpolation interp interpolator interpolate method algorithm algo resample resampling kernel "
    "order m i",
    "--scale": "factor ratio zoom percent percentage upscale scale-factor magnification times s x",
    "--size": "resize dimensions dims geometry shape resolution output-size target-size",
    "--spacing": "voxel voxel-size voxelsize voxels pixel-size pixelsize pixdim vox res-mm resample-spacing",
    "--isotropic": "iso isometric",
    "--fit": "max max-size thumbnail thumb box contain inside bounding-box longest-side",
    "--cover": "crop fill",
    "--like": "reference ref template match fixed target",
    "--only-shrink": "no-enlarge no-upscale without-enlargement shrink-only downsize down",
    "--only-enlarge": "no-shrink no-reduce without-reduction enlarge-only",
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
_OPTION_FOR = {name: option for option, names in _MEANINGS.items() for name in names.split()}


def with_bare_values(arguments: Sequence[str], options: Mapping[str, Option]) -> Iterator[str]:
    """The arguments, where options whose value may be left out have one.

    Args:
        arguments: those of the command.
        options: by name, the options whose value may be left out.
    """
    rest = iter(arguments)
    for argument in rest:
        if argument == "--":
            yield from (argument, *rest)
            return
        if argument not in options:
            yield argument
            continue
        option, following = options[argument], next(rest, None)
        if following is not None and re.fullmatch(option.pattern, following, re.IGNORECASE):
            yield f"{argument}={following}"
            continue
        yield f"{argument}={option.bare}"
        if following is not None:
            yield from with_bare_values([following, *rest], options)


def unknown_option(error: click.NoSuchOption) -> click.NoSuchOption:
    """The error with the option that has the meaning of the unknown one, if other tools have such an option."""
    meant = _OPTION_FOR.get(error.option_name.lstrip("-").lower())
    return error if meant is None else _suggestion(error.option_name, meant)


def refuse_single_dash(arguments: Sequence[str], names: Container[str]) -> None:
    """Refuse ``-scale 2`` and ``-out FILE``, which would be read as combined short options.

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
