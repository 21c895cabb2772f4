"""Who resizes beside us: for each peer a function that prepares a work, as far as the peer can do it, and times none.

What a runner returns is called again and again; preparing, which is not timed, wraps the input without copying it,
or copies it where the peer has images of its own.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from work import Work

import upsample_cli

Runner = Callable[[], Any]

_TORCH_MODES = {("linear", 2): "bilinear", ("linear", 3): "trilinear", ("cubic", 2): "bicubic"}

_PILLOW_MODES = {
    ("float32",): "F",
    ("uint8",): "L",
    ("uint8", 3): "RGB",
    ("uint8", 4): "CMYK",  # as many channels as RGBA, of which none weighs the others
}


class CannotError(Exception):
    """The peer has no such work."""


def _upsample(work: Work, x: np.ndarray) -> Runner:
    mode = _torch_mode(work)
    if work.gradient:
        pullback = upsample_cli.upsample_vjp(np.zeros((1, 1, *work.shape), x.dtype), size=work.size, mode=mode)[1]
        return lambda: pullback(x[None, None])[0, 0]
    batch = np.moveaxis(x, -1, 0)[None] if work.channels else x[None, None]

    def run() -> np.ndarray:
        y = upsample_cli.interpolate(batch, size=work.size, mode=mode, antialias=work.antialias)
        return np.moveaxis(y[0], 0, -1) if work.channels else y[0, 0]

    return run


def _torch_mode(work: Work) -> str:
    return _TORCH_MODES.get((work.mode, len(work.size)), work.mode)


def _torch(work: Work, x: np.ndarray) -> Runner:
    """On samples in memory as they are: its memory format is channels last."""
    if x.dtype.kind in "iu" and work.mode != "nearest" and (x.dtype != np.uint8 or len(work.size) != 2):
        raise CannotError  # of the integers torch interpolates only pictures of uint8 without a detour
    resize, tensor = _torch_resize(work, x)
    if work.gradient:
        return _torch_gradient(work, tensor)
    return lambda: _numpy_layout(work, resize(tensor))


def _torch_planar(work: Work, x: np.ndarray) -> Runner:
    """On one plane per channel, its usual layout."""
    if not work.channels:
        raise CannotError
    resize, tensor = _torch_resize(work, x)
    planes = tensor.contiguous()
    return lambda: _numpy_layout(work, resize(planes))


def _torch_via_float32(work: Work, x: np.ndarray) -> Runner:
    if x.dtype.kind not in "iu" or work.mode == "nearest" or len(work.size) == 2:
        raise CannotError
    resize, tensor = _torch_resize(work, x)
    limits = np.iinfo(x.dtype)
    return lambda: _numpy_layout(work, resize(tensor.float()).round_().clamp_(limits.min, limits.max).to(tensor.dtype))


def _torch_resize(work: Work, x: np.ndarray) -> tuple[Callable[[Any], Any], Any]:
    torch = importlib.import_module("torch")
    tensor = torch.from_numpy(x)
    tensor = tensor.movedim(-1, 0)[None] if work.channels else tensor[None, None]
    options = {"size": work.size, "mode": _torch_mode(work), "antialias": work.antialias}
    return lambda y: torch.nn.functional.interpolate(y, **options), tensor


def _torch_gradient(work: Work, gradient: Any) -> Runner:
    torch = importlib.import_module("torch")
    leaf = torch.zeros((1, 1, *work.shape), dtype=gradient.dtype, requires_grad=True)
    output = torch.nn.functional.interpolate(leaf, size=work.size, mode=_torch_mode(work))
    return lambda: torch.autograd.grad(output, leaf, gradient, retain_graph=True)[0][0, 0].numpy()


def _numpy_layout(work: Work, tensor: Any) -> np.ndarray:
    return (tensor[0].movedim(0, -1) if work.channels else tensor[0, 0]).numpy()


def _opencv(work: Work, x: np.ndarray) -> Runner:
    if len(work.size) != 2 or work.antialias or work.gradient:
        raise CannotError
    cv2 = importlib.import_module("cv2")
    method = {"linear": cv2.INTER_LINEAR, "cubic": cv2.INTER_CUBIC, "nearest": cv2.INTER_NEAREST}[work.mode]
    return lambda: cv2.resize(x, work.size[::-1], interpolation=method)


def _pillow(work: Work, x: np.ndarray) -> Runner:
    """It always antialiases, which changes nothing where the work enlarges linearly, and its cubic is another one."""
    shrinks = any(m < n for m, n in zip(work.size, work.shape, strict=False))
    if len(work.size) != 2 or work.gradient or work.mode == "cubic" or shrinks > work.antialias:
        raise CannotError
    image = importlib.import_module("PIL.Image")
    picture_mode = _PILLOW_MODES.get((x.dtype.name, *work.channels))
    if picture_mode is None:
        raise CannotError
    picture = image.frombytes(picture_mode, x.shape[1::-1], x.tobytes())
    method = {"linear": image.Resampling.BILINEAR, "nearest": image.Resampling.NEAREST}[work.mode]
    return lambda: picture.resize(work.size[::-1], method)


def _scipy(work: Work, x: np.ndarray) -> Runner:
    if work.antialias or work.gradient or work.mode == "cubic":  # its cubic is a spline
        raise CannotError
    ndimage = importlib.import_module("scipy.ndimage")
    zoom = [m / n for m, n in zip(work.size, work.shape, strict=False)] + [1] * len(work.channels)
    order = 1 if work.mode == "linear" else 0
    return lambda: ndimage.zoom(x, zoom, order=order, grid_mode=True, mode="nearest")


def _scikit_image(work: Work, x: np.ndarray) -> Runner:
    if work.antialias or work.gradient or work.mode == "cubic":  # its antialiasing is a Gaussian
        raise CannotError
    transform = importlib.import_module("skimage.transform")
    order = 1 if work.mode == "linear" else 0
    options = {"order": order, "mode": "edge", "preserve_range": True, "anti_aliasing": False}

    def run() -> np.ndarray:
        y = transform.resize(x, work.out_shape, **options)
        return np.rint(y).astype(x.dtype) if x.dtype.kind in "iu" else y

    return run


def _simpleitk(work: Work, x: np.ndarray) -> Runner:
    if work.antialias or work.gradient or work.mode == "cubic":
        raise CannotError
    sitk = importlib.import_module("SimpleITK")
    image = sitk.GetImageFromArray(x, isVector=bool(work.channels))
    ratios = [n / m for m, n in zip(work.size, work.shape, strict=False)][::-1]
    resampler = sitk.ResampleImageFilter()
    resampler.SetSize(work.size[::-1])
    resampler.SetOutputSpacing(ratios)
    resampler.SetOutputOrigin([(ratio - 1) / 2 for ratio in ratios])
    resampler.SetUseNearestNeighborExtrapolator(True)
    resampler.SetInterpolator(sitk.sitkLinear if work.mode == "linear" else sitk.sitkNearestNeighbor)

    def run() -> Any:
        resampler.SetNumberOfThreads(sitk.ProcessObject.GetGlobalDefaultNumberOfThreads())
        return resampler.Execute(image)

    return run


def _allocate_and_fill(work: Work, x: np.ndarray) -> Runner:
    shape = work.shape if work.gradient else work.out_shape

    def run() -> np.ndarray:
        out = np.empty(shape, x.dtype)
        _in_parts(out, lambda part: out[part].fill(1))
        return out

    return run


def _copy(work: Work, x: np.ndarray) -> Runner:
    shape = work.shape if work.gradient else work.out_shape
    source, out = np.ones(shape, x.dtype), np.ones(shape, x.dtype)
    return lambda: _in_parts(out, lambda part: np.copyto(out[part], source[part]))


def _in_parts(out: np.ndarray, do: Callable[[slice], None]) -> None:
    threads = upsample_cli.get_num_threads()
    if threads == 1:
        return do(slice(None))
    share = -(-len(out) // threads)
    list(_pool(threads).map(do, [slice(start, start + share) for start in range(0, len(out), share)]))
    return None


@functools.cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads)


PEERS: dict[str, Callable[[Work, np.ndarray], Runner]] = {
    "upsample": _upsample,
    "torch": _torch,
    "torch, planar": _torch_planar,
    "torch via float32": _torch_via_float32,
    "OpenCV": _opencv,
    "Pillow": _pillow,
    "SimpleITK": _simpleitk,
    "scipy": _scipy,
    "scikit-image": _scikit_image,
    "allocate + fill": _allocate_and_fill,
    "copy": _copy,
}
LIMITS = ("allocate + fill", "copy")
ONE_THREAD = ("Pillow", "scipy", "scikit-image")  # whatever one tells them
MODULES = ("torch", "cv2", "PIL", "SimpleITK", "scipy", "skimage")


def as_array(answer: Any) -> np.ndarray:
    """What a runner has returned, as an array."""
    if type(answer).__module__.startswith("SimpleITK"):
        return sys.modules["SimpleITK"].GetArrayFromImage(answer)
    return np.asarray(answer)


def set_threads(count: int) -> None:
    """Of us and of all peers that have been imported and can be told."""
    upsample_cli.set_num_threads(count)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(count)
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(count)
    if "SimpleITK" in sys.modules:
        sys.modules["SimpleITK"].ProcessObject.SetGlobalDefaultNumberOfThreads(count)
