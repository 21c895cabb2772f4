"""What the core costs beside its peers: ``python tests/benchmarks/bench_core.py [--rounds 7] [--only WORD]``.

Every answer is checked against float64 arithmetic first. Then all peers run in turn, round after round, in this one
process and on one thread each; the table shows medians, in ns per output element, and how many times as long as ours
each peer takes. "allocate + fill" writes as many bytes as the output has to fresh memory, "fill" to memory at hand.
"""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):  # before NumPy is imported
    os.environ[_variable] = "1"
sys.path.append(str(Path(__file__).resolve().parents[2]))  # an installed package has precedence

import numpy as np  # noqa: E402

from tests.oracles import truth  # noqa: E402
from tests.oracles.compare import assert_close, assert_rounded  # noqa: E402
from upsample_cli import interpolate  # noqa: E402
from upsample_cli.core.modes import find_mode  # noqa: E402
from upsample_cli.core.recipe import AxisTarget, make_recipe  # noqa: E402
from upsample_cli.core.resample import resample  # noqa: E402
from upsample_cli.core.samples import samples  # noqa: E402

PEERS = ("upsample", "torch", "torch via float32", "scipy", "opencv", "allocate + fill", "fill")
_PEER_TOLERANCE = 1e-3  # of the largest magnitude, or levels beyond one: peers compute positions in float32


@dataclass(frozen=True, slots=True)
class Work:
    """One resize.

    Attributes:
        name: what the table calls it.
        shape: of the input; the axes beyond those in `size` are channels, last in memory.
        size: of the resized axes, the first ones.
        dtype: of the samples.
        mode: linear or nearest.
    """

    name: str
    shape: tuple[int, ...]
    size: tuple[int, ...]
    dtype: str
    mode: str = "linear"

    @property
    def channels(self) -> tuple[int, ...]:
        return self.shape[len(self.size) :]

    def input(self) -> np.ndarray:
        rng = np.random.default_rng(0)
        if np.dtype(self.dtype).kind == "f":
            return rng.random(self.shape, self.dtype)
        limits = np.iinfo(self.dtype)
        return rng.integers(limits.min, limits.max, self.shape, self.dtype, endpoint=True)

    def truth(self, x: np.ndarray) -> np.ndarray:
        if self.mode == "linear":
            return truth.linear(x, dict(enumerate(self.size)))
        for axis, size in enumerate(self.size):
            x = np.take(x, np.arange(size) * x.shape[axis] // size, axis)
        return x


WORKS = (
    Work("float32 trilinear 2×, 128³", (128,) * 3, (256,) * 3, "float32"),
    Work("float32 trilinear 1.7×, 128³", (128,) * 3, (218,) * 3, "float32"),
    Work("int16 trilinear 2×, 128³", (128,) * 3, (256,) * 3, "int16"),
    Work("float32 bilinear 2×, 1024²", (1024,) * 2, (2048,) * 2, "float32"),
    Work("float32 bilinear 1.7×, 1024²", (1024,) * 2, (1741,) * 2, "float32"),
    Work("uint8 RGB bilinear 2×, 1024²", (1024, 1024, 3), (2048,) * 2, "uint8"),
    Work("float32 nearest 2×, 128³", (128,) * 3, (256,) * 3, "float32", "nearest"),
    Work("uint8 RGB nearest 2×, 1024²", (1024, 1024, 3), (2048,) * 2, "uint8", "nearest"),
)


def upsample_runner(work: Work, x: np.ndarray) -> Callable[[], np.ndarray]:
    if not work.channels:
        mode = None if work.mode == "linear" else work.mode
        return lambda: interpolate(x[None, None], size=work.size, mode=mode)[0, 0]

    def run() -> np.ndarray:
        targets = [AxisTarget(n) for n in work.size]
        recipe = make_recipe(work.shape[: len(work.size)], targets, find_mode(work.mode), False, x.dtype)
        out = np.empty((*work.size, *work.channels), x.dtype)
        resample(x, [*(axis.bands for axis in recipe), *(None for _ in work.channels)], out, samples(x.dtype))
        return out

    return run


def torch_runner(work: Work, x: np.ndarray) -> Callable[[], np.ndarray] | None:
    if x.dtype.kind in "iu" and work.mode == "linear" and (x.dtype != np.uint8 or len(work.size) != 2):
        return None  # of the integers torch interpolates only pictures of uint8 without a detour
    resize, tensor = _torch_resize(work, x)
    return lambda: _numpy_layout(work, resize(tensor))


def torch_via_float32_runner(work: Work, x: np.ndarray) -> Callable[[], np.ndarray] | None:
    if x.dtype.kind not in "iu" or work.mode != "linear":
        return None
    resize, tensor = _torch_resize(work, x)
    limits = np.iinfo(x.dtype)
    return lambda: _numpy_layout(work, resize(tensor.float()).round_().clamp_(limits.min, limits.max).to(tensor.dtype))


def _torch_resize(work: Work, x: np.ndarray) -> tuple[Callable[[Any], Any], Any]:
    torch = importlib.import_module("torch")
    torch.set_num_threads(1)
    name = {1: "linear", 2: "bilinear", 3: "trilinear"}[len(work.size)] if work.mode == "linear" else work.mode
    tensor = torch.from_numpy(x)
    tensor = tensor.movedim(-1, 0)[None] if work.channels else tensor[None, None]  # a view: channels last in memory
    return lambda y: torch.nn.functional.interpolate(y, size=work.size, mode=name), tensor


def _numpy_layout(work: Work, tensor: Any) -> np.ndarray:
    return (tensor[0].movedim(0, -1) if work.channels else tensor[0, 0]).numpy()


def scipy_runner(work: Work, x: np.ndarray) -> Callable[[], np.ndarray]:
    ndimage = importlib.import_module("scipy.ndimage")
    zoom = [m / n for m, n in zip(work.size, work.shape, strict=False)] + [1] * len(work.channels)
    order = 1 if work.mode == "linear" else 0
    return lambda: ndimage.zoom(x, zoom, order=order, grid_mode=True, mode="nearest")


def opencv_runner(work: Work, x: np.ndarray) -> Callable[[], np.ndarray] | None:
    if len(work.size) != 2:
        return None
    cv2 = importlib.import_module("cv2")
    cv2.setNumThreads(1)
    method = cv2.INTER_LINEAR if work.mode == "linear" else cv2.INTER_NEAREST
    return lambda: cv2.resize(x, work.size[::-1], interpolation=method)


def allocate_and_fill_runner(work: Work, x: np.ndarray) -> Callable[[], np.ndarray]:
    return lambda: np.full((*work.size, *work.channels), 1, x.dtype)


def fill_runner(work: Work, x: np.ndarray) -> Callable[[], None]:
    out = np.full((*work.size, *work.channels), 1, x.dtype)
    return lambda: out.fill(2)


RUNNERS: dict[str, Callable[[Work, np.ndarray], Callable[[], Any] | None]] = {
    "upsample": upsample_runner,
    "torch": torch_runner,
    "torch via float32": torch_via_float32_runner,
    "scipy": scipy_runner,
    "opencv": opencv_runner,
    "allocate + fill": allocate_and_fill_runner,
    "fill": fill_runner,
}


def check(peer: str, answer: np.ndarray, exact: np.ndarray) -> str:
    """Compare an answer with float64 arithmetic: "" or, for a peer, how far off it is; our own must be right."""
    if peer == "upsample":
        if exact.dtype == answer.dtype:  # nearest
            np.testing.assert_array_equal(answer, exact)
        elif answer.dtype.kind in "iu":
            assert_rounded(answer, exact)
        else:
            assert_close(answer, exact)
        return ""
    if answer.shape != exact.shape:
        raise AssertionError(f"{peer} answers with the shape {answer.shape}, not {exact.shape}")
    error = float(np.abs(answer.astype(np.float64) - exact).max())
    levels = answer.dtype.kind in "iu" and exact.dtype.kind == "f"
    tolerance = 1 + _PEER_TOLERANCE if levels else _PEER_TOLERANCE * float(np.abs(exact).max())
    return "" if error <= tolerance else f"off by {error:.3g}"


def measure(work: Work, rounds: int) -> Iterator[tuple[str, float | None, str]]:
    """The peers, the median of each in seconds or None, and what is to be said of it."""
    x = work.input()
    exact = work.truth(x)
    runners: dict[str, Callable[[], Any]] = {}
    notes = dict.fromkeys(PEERS, "")
    for peer in PEERS:
        try:
            runner = RUNNERS[peer](work, x)
        except ImportError:
            notes[peer] = "not installed"
            continue
        if runner is None:
            notes[peer] = "—"
            continue
        answer = runner()
        if "fill" not in peer:
            notes[peer] = check(peer, answer, exact)
        runners[peer] = runner
    del exact
    times: dict[str, list[float]] = {peer: [] for peer in runners}
    for _ in range(rounds):
        for peer, runner in runners.items():
            start = time.perf_counter()
            runner()
            times[peer].append(time.perf_counter() - start)
    for peer in PEERS:
        yield peer, statistics.median(times[peer]) if peer in times else None, notes[peer]


def machine() -> str:
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        models = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line]
        cpu = models[0] if models else cpu
    versions = [f"Python {platform.python_version()}", f"numpy {np.__version__}"]
    for module in ("torch", "scipy", "cv2"):
        try:
            versions.append(f"{module} {importlib.import_module(module).__version__}")
        except ImportError:
            versions.append(f"{module} not installed")
    return f"{cpu}, {os.cpu_count()} CPUs; {', '.join(versions)}; one thread"


def main() -> None:
    parser = argparse.ArgumentParser(description="What the core costs beside its peers.")
    parser.add_argument("--rounds", type=int, default=7, help="runs of each peer, of which the median counts")
    parser.add_argument("--only", default="", help="only works whose name contains this")
    arguments = parser.parse_args()
    print(machine())
    print("ns per output element (times as long as upsample)\n")
    print("".join(("work".ljust(32), *(peer.rjust(20) for peer in PEERS))))
    for work in WORKS:
        if arguments.only not in work.name:
            continue
        elements = int(np.prod((*work.size, *work.channels)))
        rows = list(measure(work, arguments.rounds))
        ours = next(seconds for peer, seconds, _ in rows if peer == "upsample")
        cells, remarks = [], []
        for peer, seconds, note in rows:
            if seconds is None or ours is None:
                cells.append(note.rjust(20))
                continue
            cells.append(f"{seconds / elements * 1e9:.3f} ({seconds / ours:.2f})".rjust(20))
            if note:
                remarks.append(f"    {peer} is {note}")
        print("".join((work.name.ljust(32), *cells)), *remarks, sep="\n", flush=True)


if __name__ == "__main__":
    main()
