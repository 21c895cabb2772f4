"""Compiles the CUDA kernel for an H100 without a device, and counts what a launch executes.

Triton compiles for any target, and its wheel contains the assembler and the disassembler.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import torch
from triton import knobs
from triton.backends.compiler import GPUTarget
from triton.runtime import driver

from upsample_cli.torch import triton_kernel, triton_source
from upsample_cli.torch.planning import Matrices

PROCESSORS, CLOCK = 132, 1.7e3  # streaming multiprocessors, and cycles in a microsecond
_REGISTERS, _MOST_WARPS, _MOST_PROGRAMS = 65536, 64, 32  # of a processor
_KINDS = {"load": r"LD[GSL]", "store": r"ST[GSL]", "arithmetic": r"[DFH](FMA|MUL|ADD|MNMX)"}


class Launch(NamedTuple):
    """A compiled launch.

    Attributes:
        programs, warps: the number of programs, and of warps in each.
        constants: the constants of the kernel.
        compiled: Triton's result.
        trips: the mean number of iterations of the loops over rows, planes and taps, as far as they are not unrolled.
    """

    programs: int
    warps: int
    constants: dict[str, Any]
    compiled: Any
    trips: list[float]

    def resources(self) -> dict[str, int]:
        """Registers of a thread, bytes spilled and of shared memory, and warps that a processor holds."""
        with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
            file.write(self.compiled.asm["cubin"])
            file.flush()
            text = _run(knobs.nvidia.cuobjdump.path, "-res-usage", file.name)
        used = {name: int(value) for name, value in re.findall(r"(REG|LOCAL|SHARED):(\d+)", text)}
        of_a_warp = -(-32 * used["REG"] // 256) * 256
        programs = min(min(_REGISTERS // of_a_warp, _MOST_WARPS) // self.warps, _MOST_PROGRAMS)
        return used | {"WARPS": programs * self.warps}

    def instructions(self) -> Counter[str]:
        """Instructions that all warps execute: of each kind, and all of those in loops."""
        with tempfile.TemporaryDirectory() as folder:
            lines = _assemble_without_unrolling(self.compiled.asm["ptx"], Path(folder))
        branches = ((re.search(r"\bBRA\S* .*?(0x[0-9a-f]+)", text), address) for address, text in lines)
        loops = [(start, stop) for match, stop in branches if match and (start := int(match[1], 16)) < stop]
        counts: Counter[str] = Counter()
        for address, text in lines:
            depth = sum(start <= address <= stop for start, stop in loops)
            times = float(self.programs * self.warps)
            for trips in self.trips[:depth]:
                times *= trips
            name = re.sub(r"^@!?U?P\w+ ", "", text)
            kind = next((kind for kind, pattern in _KINDS.items() if re.match(pattern, name)), "other")
            counts[kind] += times * (name.strip() != "NOP")
            counts["in loops"] += times * (depth > 0)
        return counts


def launches(x: torch.Tensor, matrices: Matrices, out: torch.Tensor) -> list[Launch]:
    """The launches that resample `x`, a tensor on the device "meta", to `out`."""
    found = []

    class Compiler:
        def __getitem__(self, grid: Sequence[int]) -> Any:
            def launch(*arguments: Any, num_warps: int, **constants: Any) -> None:
                compiled = kernel.run(*arguments, grid=grid, warmup=True, num_warps=num_warps, **constants)
                found.append(Launch(grid[0], num_warps, constants, compiled, []))

            return launch

    kernel = triton_source.resample_kernel
    device = mock.Mock(**{"get_current_target.return_value": GPUTarget("cuda", 90, 32)})
    with (
        mock.patch.object(driver, "_active", device),
        mock.patch.object(triton_source, "resample_kernel", Compiler()),
    ):
        triton_kernel.resample(x, matrices, out)
    matrices.tables.clear()
    tables = triton_kernel._tables(matrices, torch.device("cpu"), torch.float32)
    return [launch._replace(trips=_trips(table, launch.constants)) for table, launch in zip(tables, found, strict=True)]


def _trips(table: Any, constants: dict[str, Any]) -> list[float]:
    if table.copies:
        return []
    rows, planes = (float(blocks.count.mean()) for blocks in (table.rows, table.planes))
    return [
        rows,
        *([] if constants["PLANES"] or not table.deep else [planes]),
        *([] if constants["UNROLLED"] else [float(constants["X_TAPS"])]),
    ]


def _assemble_without_unrolling(ptx: str, folder: Path) -> list[tuple[int, str]]:
    """Addresses and instructions of the machine code whose loops are those of the source, which can be counted."""
    lines, labels, heads = ptx.splitlines(), {}, set()
    for number, line in enumerate(lines):
        if label := re.match(r"(\$\w+):", line):
            labels[label[1]] = number
        elif (branch := re.search(r"\bbra\S*\s+(\$\w+);", line)) and branch[1] in labels:
            heads.add(labels[branch[1]])
    source, cubin = folder / "kernel.ptx", folder / "kernel.cubin"
    source.write_text("\n".join(f'{line}\n.pragma "nounroll";' if n in heads else line for n, line in enumerate(lines)))
    _run(knobs.nvidia.ptxas.path, "-arch=sm_90a", str(source), "-o", str(cubin))
    listing = _run(knobs.nvidia.cuobjdump.path, "-sass", str(cubin))
    return [(int(at, 16), text) for at, text in re.findall(r"/\*([0-9a-f]{4,})\*/\s+(.*?);\s+/\*", listing)]


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
