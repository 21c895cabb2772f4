"""Calls that `bench_kernel` has not: ``python tests/benchmarks/bench_calls.py [--only WORD]``.

Small arrays, where the call costs more than the arithmetic; parts of pictures and flipped pictures; tensors; signals;
and samples of 16 and 64 bits. Every answer is held against float64 first; then both run in turn on one thread. The
table shows microseconds, and how many times as long torch takes.
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


@dataclass(frozen=True, slots=True)
class Call:
    """One call.

    Attributes:
        name: what the table calls it.
        x: the input, of shape (N, C, spatial…).
        options: of `interpolate`.
        asked: how many times as long torch is asked to take.
        on_tensors: whether our function for tensors is called.
    """

    name: str
    x: np.ndarray
    options: dict[str, Any]
    asked: float
    on_tensors: bool = False

    def ours(self) -> Callable[[], Any]:
        if self.on_tensors:
            tensor = torch.from_numpy(self.x)
            return lambda: upsample_cli.torch.interpolate(tensor, **self.options)
        return lambda: upsample_cli.interpolate(self.x, **self.options)

    def torchs(self) -> Callable[[], Any]:
        tensor = torch.from_numpy(np.ascontiguousarray(self.x) if min(self.x.strides) < 0 else self.x)
        return lambda: torch.nn.functional.interpolate(tensor, **self.options)

    def verify(self) -> None:
        """Hold our answer against float64.

        Raises:
            AssertionError: it is wrong.
        """
        if self.x.ndim == 3:  # torch rounds the positions of long axes to float32
            places = (np.arange(2 * self.x.shape[2]) + 0.5) / 2 - 0.5
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
    yield Call("uint8 RGB 4096² → 1024², nearest", batch, {"size": (1024, 1024), "mode": "nearest-exact"}, 1.2)
    yield Call("uint8 RGB 4096² → 100², antialiased", batch, {"size": 100, "mode": "bilinear", "antialias": True}, 1.2)
    for channels in (3, 32, 64, 256):
        side = 512 if channels == 3 else 64
        features = np.moveaxis(rng.random((1, side, side, channels), np.float32), -1, 1)
        name = f"float32 channels last, {channels}×{side}² bilinear 2×, tensor"
        yield Call(name, features, {"scale_factor": 2, "mode": "bilinear"}, 1.0, True)
    signal = rng.random((1, 1, 4_000_000), np.float32)
    for on_tensors, kind in ((False, "array"), (True, "tensor")):
        yield Call(f"float32 signal 4 M ×2, {kind}", signal, {"scale_factor": 2, "mode": "linear"}, 2.0, on_tensors)
    volume = rng.random((1, 1, 160, 160, 160))
    for dtype in ("float16", "float32", "float64"):
        name = f"{dtype} trilinear 2×, 160³"
        yield Call(name, volume.astype(dtype), {"scale_factor": 2, "mode": "trilinear"}, 2.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    Measurement.add_options(parser)
    parser.add_argument("--only", default="", help="only calls whose name contains this")
    arguments = parser.parse_args()
    print(
        machine(),
        "",
        "| call | upsample, µs | torch, µs | times as long | asked |",
        "|---" * 5 + "|",
        sep="\n",
        flush=True,
    )
    set_threads(1)
    for call in calls():
        if arguments.only in call.name:
            call.verify()
            times = Measurement.of(arguments).in_turn({"upsample": call.ours(), "torch": call.torchs()})[1]
            ours, theirs = (times[name] * 1e6 for name in ("upsample", "torch"))
            print(f"| {call.name} | {ours:,.1f} | {theirs:,.1f} | {theirs / ours:.2f} | ≥ {call.asked:g} |", flush=True)


if __name__ == "__main__":
    main()
