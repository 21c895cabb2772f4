"""A plan: everything that is going to be done to one file, from headers alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from . import __version__, formats
from .core.modes import Mode, check_ndim, find_mode
from .core.recipe import AxisRecipe, AxisTarget, make_recipe, widest
from .core.samples import Samples, labels, premultiplied, samples
from .errors import InputError, RequestError
from .formats.base import Header, ReadOptions, Sink, Source, WriteOptions
from .limits import (
    cores,
    program_bytes,
    refuse_absurd,
    refuse_more_than_disk,
    refuse_more_than_memory,
    working_memory,
)
from .request import Request
from .resizing import Resizing, size_in_bytes
from .targets import find_targets

if TYPE_CHECKING:
    from .core.light import Curve


class Plan(NamedTuple):
    """What is done to one file.

    Attributes:
        source_path, output_path: the files.
        request: what was asked for.
        resizings: what is done to each array of the output, in its order: images, and behind each its levels.
        mains: of these the images themselves, one for each array of the input.
        sink: what writes the output.
        threads: how many of them compute; reading and writing have one each besides.
        whole: bytes of the program, and of the input that is held as a whole, since its format knows no other way.
        warnings: what is not carried over.
    """

    source_path: Path
    output_path: Path
    request: Request
    resizings: tuple[Resizing, ...]
    mains: tuple[Resizing, ...]
    sink: Sink
    threads: int
    whole: int
    warnings: tuple[str, ...]

    @property
    def main(self) -> Resizing:
        """What is done to the first array, which is the only one of most files."""
        return self.resizings[0]

    @property
    def before(self) -> Header:
        """The header of the first array of the input."""
        return self.main.before

    @property
    def after(self) -> Header:
        """The header of the first array of the output."""
        return self.main.after

    @property
    def output_bytes(self) -> int:
        """The size of the output's samples."""
        return sum(size_in_bytes(resizing.after) for resizing in self.resizings)

    @property
    def memory(self) -> int:
        """The predicted peak of the working memory, in bytes."""
        resizing = max(resizing.memory(self.threads) for resizing in self.resizings)
        output = max(size_in_bytes(main.after) for main in self.mains)
        return self.whole + math.ceil(max(_gathered(self.sink, self.resizings) + resizing, self.sink.copies * output))


def read_options(request: Request) -> ReadOptions:
    """How files are to be understood for `request`."""
    return ReadOptions(request.axes, keep_indices=choose_mode(request).keeps_values, series=request.series)


def make_plan(request: Request, source: Source, source_path: Path, output_path: Path) -> Plan:
    """Plan to do what `request` says to `source`, for `output_path`.

    Raises:
        RequestError: the request does not fit the file, or asks for more than the machine can hold.
        InputError: the file's samples cannot be resized.
        OutputError: the output cannot hold the result.
    """
    sources = [source, *source.others]
    threads, limit = request.threads or cores(), request.max_memory or working_memory()
    targets = [find_targets(request, part.header.grid, source_path) for part in sources]
    mains = [
        make_resizing(request, part, wanted, limit, source_path) for part, wanted in zip(sources, targets, strict=True)
    ]
    options = WriteOptions(request.quality, request.compress_level)
    sink = formats.make_sink(output_path, [main.after for main in mains], options)
    mains = [main.in_one_slab() if main.source.copies >= 1 and sink.copies >= 1 else main for main in mains]
    resizings = [r for main in mains for r in (main, *(_levels(main, request, source_path) if sink.pyramids else ()))]
    warnings = [w for part in sources for w in part.warnings]
    warnings += [w for main in mains for w in _of_labels(main, request)] + sink.warnings
    for main, wanted in zip(mains, targets, strict=True):
        warnings += [*_aliasing(main), *_other_spacing(main, wanted)]
    whole = program_bytes() + sum(part.copies * size_in_bytes(part.header) for part in sources)
    gathered = _gathered(sink, mains)
    plan = Plan(
        source_path=source_path,
        output_path=output_path,
        request=request,
        resizings=tuple(resizing.within(limit - whole - gathered, threads) for resizing in resizings),
        mains=tuple(mains),
        sink=sink,
        threads=threads,
        whole=math.ceil(whole),
        warnings=tuple(dict.fromkeys(warnings)),
    )
    refuse_more_than_memory(plan.memory, limit, source_path)
    refuse_more_than_disk(plan.output_bytes, sink.compresses, output_path)
    return plan


def _gathered(sink: Sink, resizings: Sequence[Resizing]) -> float:
    """The bytes in which a sink gathers slabs, where there are several."""
    return max(0.0 if one.is_one_slab else min(sink.copies, 1.0) * size_in_bytes(one.after) for one in resizings)


def choose_mode(request: Request, has_labels: bool = False) -> Mode:
    """The mode that is asked for, or else that which suits a file that says that it has labels, or none.

    Raises:
        RequestError: there is no such mode, or it cannot be what is asked of it.
    """
    try:
        mode = find_mode(request.mode or ("nearest" if has_labels else "linear"))
        if mode.votes:
            mode = replace(find_mode(request.label_kernel), name=mode.name, votes=True)
        if request.align_corners and not mode.align_corners:
            raise ValueError(f"--align-corners has no meaning for mode {mode.name!r}; leave it out")
        return mode.antialiased() if request.antialias else mode
    except ValueError as error:
        raise RequestError(str(error)) from error


def make_resizing(
    request: Request, source: Source, targets: Mapping[str, AxisTarget], limit: float, path: Path
) -> Resizing:
    """Plan what is done to one array, whatever becomes of it then.

    Args:
        request: what is asked for.
        source: gives the array.
        targets: what is asked of each axis.
        limit: bytes that its tables of weights may take.
        path: of the file, for messages.

    Raises:
        RequestError: the request does not fit the array.
        InputError: the samples cannot be resized.
    """
    before = source.header
    mode = choose_mode(request, before.labels)
    recipe = _recipe(request, mode, targets, before, limit, path)
    changes = {name: step.map for name, step in recipe.items() if step.bands is not None}
    grid = before.grid.resampled(changes)
    history = _history(mode, recipe, request) if request.provenance else None
    after = before._replace(grid=grid, levels=_level_shapes(before, grid.shape), history=history)
    rules = _rules(before, mode, recipe.values(), request, path)
    return Resizing(source, before, after, mode, tuple(recipe.get(name) for name in before.grid.names), rules)


def _rules(header: Header, mode: Mode, recipe: Iterable[AxisRecipe], request: Request, path: Path) -> Samples:
    try:
        if mode.votes and header.colours is not None:
            raise InputError(f"has {header.colours} colours, which are no labels; --mode nearest keeps them", path)
        if mode.keeps_values:
            return (labels if mode.votes else samples)(header.dtype, widest(recipe))
        rules = samples(header.dtype, widest(recipe))
        if request.linear_light:
            from .core.light import in_linear_light

            rules = in_linear_light(rules, header.dtype, transfer_curves_of(header), header.grid.names[-1] == "s")
        return premultiplied(rules) if header.alpha and request.premultiply else rules
    except (TypeError, ValueError) as error:
        raise InputError(str(error), path) from error


def transfer_curves_of(header: Header) -> Sequence[Curve]:
    """How the levels of each colour stand for light: as the ICC profile says, or else as in sRGB.

    Raises:
        ValueError: the samples are no grey or RGB colours.
    """
    from .core.light import srgb
    from .formats.icc import transfer_curves

    pixel = header.grid["s"].size if header.grid.names[-1] == "s" else 1
    known = pixel in (1, 3) or (pixel in (2, 4) and header.alpha)
    if not known or header.colours not in (None, "LA", "RGB", "RGBA") or header.scaling or header.labels:
        raise ValueError("--linear-light is for grey and RGB pictures")
    count = 3 if pixel >= 3 else 1
    curves: Sequence[Curve] = transfer_curves(header.icc) if header.icc else [srgb] * count
    if len(curves) != count:
        raise ValueError(f"its ICC profile is of {len(curves)} colours, its pixels are of {count}")
    return curves


def _recipe(
    request: Request, mode: Mode, targets: Mapping[str, AxisTarget], header: Header, limit: float, path: Path
) -> dict[str, AxisRecipe]:
    addressed = [axis for axis in header.grid.axes if axis.name in targets]
    if not addressed:
        raise RequestError(f"has no axis to resize among {', '.join(header.grid.names)}", path)
    if min(header.grid.shape) < 1:
        raise InputError(f"has an empty axis: {'×'.join(map(str, header.grid.shape))}", path)
    sizes = [targets[axis.name].size if axis.name in targets else axis.size for axis in header.grid.axes]
    refuse_absurd(math.prod(sizes) * header.dtype.itemsize, sum(t.size for t in targets.values()), limit, path)
    in_order = [targets[axis.name] for axis in addressed]
    try:
        steps = make_recipe([axis.size for axis in addressed], in_order, mode, request.align_corners, header.dtype)
        changing = sum(step.bands is not None for step in steps)
        check_ndim(mode, len(addressed), changing)
    except ValueError as error:
        raise RequestError(str(error), path) from error
    return {axis.name: step for axis, step in zip(addressed, steps, strict=True)}


def _level_shapes(before: Header, shape: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """As many smaller versions as the input has, each by the same ratio."""
    full = before.grid.shape
    return tuple(
        tuple(max(1, round(new * part / old)) for new, part, old in zip(shape, level, full, strict=True))
        for level in before.levels
    )


def _levels(main: Resizing, request: Request, path: Path) -> list[Resizing]:
    """The smaller versions of the output, each made from the input itself, over the extent of the output."""
    mode = main.mode.antialiased() if main.mode.filter is not None else main.mode
    resizings = []
    for shape in main.after.levels:
        recipe: list[AxisRecipe | None] = []
        for axis, size, step in zip(main.after.grid.axes, shape, main.recipe, strict=True):
            if size == axis.size:
                recipe.append(step)
                continue
            before = main.before.grid[axis.name].size
            a, b = (step.map.pitch, step.map.b) if step is not None and step.bands is not None else (1.0, 0.0)
            coarse = a * axis.size / size  # over the same extent, whose edge lies half a sample before the first
            target = AxisTarget(size, 1 / coarse, exact=True, shift=b - (a - 1) / 2)
            recipe += make_recipe([before], [target], mode, False, main.before.dtype)
        after = main.after._replace(grid=main.after.grid.resized(shape), levels=())
        taken = [step for step in recipe if step is not None]
        rules = _rules(main.before, mode, taken, request, path)
        resizings.append(Resizing(main.source, main.before, after, mode, tuple(recipe), rules))
    return resizings


def _history(mode: Mode, recipe: Mapping[str, AxisRecipe], request: Request) -> str:
    """Version, mode, convention and factors, in ASCII, and short enough for the 80 characters of NIfTI."""
    words = ["upsample", __version__, mode.name]
    words += ["antialiased"] if request.antialias else []
    words += ["align-corners" if request.align_corners and mode.moves_to_corners else "half-pixel"]
    words += [f"{name}={1 / step.map.pitch:.6g}" for name, step in recipe.items() if step.bands is not None]
    return " ".join(words)


def _of_labels(main: Resizing, request: Request) -> list[str]:
    if not main.before.labels or request.mode is not None:
        return []
    return ["the file says that its samples are labels: mode nearest is taken; --mode says otherwise"]


def _aliasing(main: Resizing) -> list[str]:
    steps = zip(main.before.grid.names, main.recipe, strict=True)
    shrinking = [name for name, step in steps if step is not None and step.bands is not None and step.map.a > 1]
    if not (main.mode.aliases and shrinking):
        return []
    what = f"mode {main.mode.name} skips samples where it shrinks ({', '.join(shrinking)})"
    return [f"{what}; --antialias weighs them all"]


def _other_spacing(main: Resizing, targets: Mapping[str, AxisTarget]) -> list[str]:
    """The warnings of axes that are not as finely sampled as was asked for."""
    warnings = []
    for name, target in targets.items():
        old, new = main.before.grid[name].spacing, main.after.grid[name].spacing
        if target.exact and target.scale_factor and old and new and not math.isclose(old / target.scale_factor, new):
            warnings.append(f"the spacing of {name} is {new:.6g}, which is as near as its size and the mode allow")
    return warnings
