"""Runs one plan: source → slabs → core → sink, into temporary files that take their final names when complete."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import closing

from . import formats, interruption
from .ahead import ahead
from .errors import OutputError
from .formats.base import Array
from .plan import Plan
from .unfinished import Unfinished, beyond_links


def run(plan: Plan, *, overwrite: bool = False, progress: Callable[[float], None] | None = None) -> int:
    """Do what `plan` says, while its source is open.

    The output appears under its final name complete or not at all; what goes wrong leaves no file behind.

    Args:
        plan: the plan.
        overwrite: whether the output may replace what exists by the time that it is complete.
        progress: is told, after each slab that has been used, which part of the output is made.

    Returns:
        The size of the output in bytes.

    Raises:
        InputError: the source cannot be read to its end.
        OutputError: the output cannot be written.
    """
    try:
        with Unfinished(formats.parts(beyond_links(plan.output_path))) as output:
            with closing(_arrays(plan, progress)) as arrays:  # whatever becomes of the sink, no thread is left behind
                plan.sink.write(output.paths, arrays)
            if plan.request.verify:
                from .verify import verify  # which few ask for

                verify(plan, output.paths[0])
            size = sum(path.stat().st_size for path in output.paths)  # later, others may have taken it away
            output.publish(overwrite)
            return size
    except FileExistsError as error:
        raise OutputError("has come into being meanwhile; --overwrite replaces it", plan.output_path) from error
    except OSError as error:
        raise OutputError(f"cannot be written: {error.strerror or error}", plan.output_path) from error


def _arrays(plan: Plan, progress: Callable[[float], None] | None) -> Generator[Iterable[Array]]:
    """Every array of the output, in slabs that are made while the last ones are written."""
    made = 0

    def watched(slabs: Iterable[Array]) -> Generator[Array]:
        nonlocal made
        for slab in slabs:
            made += slab.nbytes
            yield slab
            interruption.look()
            if progress is not None:
                progress(made / plan.output_bytes)

    for resizing in plan.resizings:
        results = resizing.results(plan.threads)
        with closing(results if resizing.is_one_slab else ahead(results)) as slabs:
            yield watched(slabs)
