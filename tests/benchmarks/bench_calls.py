"""Calls that `bench_kernel` has not: ``python tests/benchmarks/bench_calls.py [--only WORD]``.

Small arrays, where the call costs more than the arithmetic; parts of pictures and flipped pictures; tensors; signals;
and samples of 16 and 64 bits. Every answer is held against float64 first; then all run in turn on one thread. The
table shows microseconds, and in brackets how many times as long as ours the others take. "allocate + fill" writes as
many bytes as the output has to fresh memory.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from peers import set_threads
from timing import Measurement, machine

import upsample_cli
import upsample_cli.torch

try:
    import cv2
except ImportError:
    cv2 = None


@dataclass(frozen=True, slots=True)
class Call:
    """One call.

    Attributes:
        name: what the table calls it.
        x: the input, of shape (N, C, spatial…).
        options: of `interpolate`.
        asked: how many times as long the first of the others is asked to take.
        on_tensors: whether our function for tensors is called.
        opencv: OpenCV's name of the mode, if it has the same.
    """

    name: str
    x: np.ndarray
    options: dict[str, Any]
    asked: float
    on_tensors: bool = False
    opencv: str = ""

    def ours(self) -> Callable[[], Any]:
        if self.on_tensors:
            tensor = torch.from_numpy(self.x)
            return lambda: upsample_cli.torch.interpolate(tensor, **self.options)
        return lambda: upsample_cli.interpolate(self.x, **self.options)

    def torchs(self) -> Callable[[], Any]:
        tensor = torch.from_numpy(np.ascontiguousarray(self.x) if min(self.x.strides) < 0 else self.x)
        return lambda: torch.nn.functional.interpolate(tensor, **self.options)

    def runners(self) -> dict[str, Callable[[], Any]]:
        """Ourselves first, then whom `asked` concerns."""
        made = {"upsample": self.ours()}
        if self.opencv and cv2 is not None:
            picture, size = np.ascontiguousarray(np.moveaxis(self.x[0], 0, -1)), self.options["size"][::-1]
            method = getattr(cv2, self.opencv)
            made["OpenCV"] = lambda: cv2.resize(picture, size, interpolation=method)
        made["torch"] = self.torchs()
        answer = np.asarray(self.ours()())

        def fill() -> np.ndarray:
            out = np.empty(answer.size, answer.dtype)
            out.fill(1)
            return out

        made["allocate + fill"] = fill
        return made

    def verify(self) -> None:
        """Hold our answer against float64.

        Raises:
            AssertionError: it is wrong.
        """
        if self.options.get("mode") == "nearest" and self.x.ndim == 3:
            exact = np.asarray(self.torchs()())
        elif self.x.ndim == 3:  # torch rounds the positions of long axes to float32
            size = self.options.get("size", 2 * self.x.shape[2])
            places = (np.arange(size) + 0.5) * (self.x.shape[2] / size) - 0.5
            exact = np.interp(places, np.arange(self.x.shape[2]), self.x[0, 0])[None, None]
        else:
            double = torch.from_numpy(self.x.astype(np.float64))
            exact = torch.nn.functional.interpolate(double, **self.options).numpy()
        answer = np.asarray(self.ours()()).astype(np.float64)
        assert answer.shape == exact.shape
        tolerance = 8 * np.finfo(self.x.dtype).eps if self.x.dtype.kind == "f" else 0.5 + 1 / 32
        assert np.abs(answer - exact).max() <= tolerance  # samples are in [0, 1), or levels


def calls() -> Iterator[Call]:
    rng = np.random.default_rng(0)
    small = rng.random((1, 8, 7, 7), np.float32)
    for mode in ("bilinear", "nearest"):
        for on_tensors, kind in ((False, "array"), (True, "tensor")):
            yield Call(f"(1, 8, 7, 7) {mode} 2×, {kind}", small, {"scale_factor": 2, "mode": mode}, 0.7, on_tensors)
    options: dict[str, Any] = {"size": (3000, 3000), "mode": "bilinear"}
    picture = rng.integers(0, 256, (4096, 4096, 3), np.uint8)
    parts = {
        "whole": np.ascontiguousarray(picture[:2000, :2000]),
        "cropped": picture[50:2050, 50:2050],
        "upside down": picture[2000:0:-1, :2000],
        "mirrored": picture[:2000, 2000:0:-1],
        "BGR": picture[:2000, :2000, ::-1],
        "every second pixel": picture[:4000:2, :4000:2],
    }
    for name, part in parts.items():
        yield Call(f"uint8 RGB 2000² → 3000², {name}", np.moveaxis(part, -1, 0)[None], options, 1.5)
    batch = np.moveaxis(picture[None], -1, 1)
    options = {"size": (1024, 1024), "mode": "nearest-exact"}
    yield Call("uint8 RGB 4096² → 1024², nearest", batch, options, 1.25, opencv="INTER_NEAREST_EXACT")
    yield Call("uint8 RGB 4096² → 100², antialiased", batch, {"size": 100, "mode": "bilinear", "antialias": True}, 1.25)
    for count, channels, side in ((1, 3, 512), (1, 32, 64), (1, 64, 64), (1, 256, 64), (8, 64, 128)):
        features = np.moveaxis(rng.random((count, side, side, channels), np.float32), -1, 1)
        name = f"float32 channels last, {count}×{channels}×{side}² bilinear 2×, tensor"
        yield Call(name, features, {"scale_factor": 2, "mode": "bilinear"}, 1.0, True)
    signal = rng.random((1, 1, 4_000_000), np.float32)
    for on_tensors, kind in ((False, "array"), (True, "tensor")):
        yield Call(f"float32 signal 4 M ×2, {kind}", signal, {"scale_factor": 2, "mode": "linear"}, 2.0, on_tensors)
    for length, size in ((4_000_000, 7_999_993), (441_000, 480_010), (44_100, 48_001)):
        part = signal[..., :length]
        yield Call(f"float32 signal {length:,} → {size:,}", part, {"size": size, "mode": "linear"}, 1.0)
        if length < 1_000_000:
            yield Call(f"float32 signal {length:,} → {size:,}, nearest", part, {"size": size, "mode": "nearest"}, 1.0)
    volume = rng.random((1, 1, 160, 160, 160))
    for dtype in ("float16", "float32", "float64"):
        name = f"{dtype} trilinear 2×, 160³"
        yield Call(name, volume.astype(dtype), {"scale_factor": 2, "mode": "trilinear"}, 2.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    Measurement.add_options(parser)
    parser.add_argument("--only", default="", help="only calls whose name contains this")
    arguments = parser.parse_args()
    others = ("OpenCV", "torch", "allocate + fill")
    print(
        machine(), "", f"| call | upsample, µs | {' | '.join(others)} | asked |", "|---" * 6 + "|", sep="\n", flush=True
    )
    set_threads(1)
    for call in calls():
        if arguments.only in call.name:
            call.verify()
            times = Measurement.of(arguments).in_turn(call.runners())[1]
            ours = times["upsample"]
            cells = [f"{times[name] * 1e6:,.1f} ({times[name] / ours:.2f})" if name in times else "" for name in others]
            print(f"| {call.name} | {ours * 1e6:,.1f} | {' | '.join(cells)} | ≥ {call.asked:g} |", flush=True)


if __name__ == "__main__":
    main()
