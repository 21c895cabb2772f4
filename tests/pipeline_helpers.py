"""Files through plan and pipeline, as the command sends them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from upsample_cli.formats import make_sink, open_source, parts
from upsample_cli.formats.base import Header, ReadOptions, WriteOptions
from upsample_cli.pipeline.mode import read_options
from upsample_cli.pipeline.opening import open_input
from upsample_cli.pipeline.plan import Plan, make_plan
from upsample_cli.pipeline.request import PerAxis, Request
from upsample_cli.pipeline.run import run_plan
from upsample_cli.verify.check import verify


def asked(**options: Any) -> Request:
    """A request, with targets as users write them."""
    for name in ("scale", "size", "spacing", "fit"):
        if name in options:
            options[name] = PerAxis.parse(str(options[name]), f"--{name}", whole=name in ("size", "fit"))
    return Request(**options)


def upsampled(path: Path, output: Path, **options: Any) -> Plan:
    """Resize `path` to `output`; gives the plan that was run."""
    request = asked(**options)
    with open_input(path, request, output) as source:
        plan = make_plan(request, source, path, output)
        run_plan(plan, source, overwrite=True, check=verify if request.verify else None)
    return plan


def planned(path: Path, output: Path | None = None, **options: Any) -> Plan:
    """The plan to resize `path`."""
    request = asked(**options)
    with open_source(path, read_options(request)) as source:
        return make_plan(request, source, path, output or path.with_name(f"out-{path.name}"))


def whole(path: Path, options: ReadOptions | None = None) -> np.ndarray:
    """All samples of a file, in native byte order."""
    with open_source(path, options or ReadOptions()) as source:
        rows = np.array(source.read(0, 0, source.header.grid.shape[0]))
    return rows.astype(rows.dtype.newbyteorder("="), copy=False)


def write(path: Path, header: Header, slabs: list[np.ndarray]) -> None:
    """Write `slabs` to `path` by the sink that belongs to it."""
    make_sink(path, [header], WriteOptions()).write(parts(path), iter([slabs]))
