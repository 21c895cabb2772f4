"""Finds modes by names as people type them: in any case, or as other tools call them."""

from __future__ import annotations

from ..core.modes import MODES
from ..errors import RequestError

_SYNONYMS = {  # without hyphens and underscores, which do not matter
    "nn": "nearest",
    "nearestneighbor": "nearest",
    "nearestneighbour": "nearest",
    "point": "nearest",
    "triangle": "linear",
    "tricubic": "cubic",
    "lanczos3": "lanczos",
    "average": "box",
    "mean": "box",
    "multilabel": "label",
    "genericlabel": "label",
    "internearest": "nearest",
    "internearestexact": "nearest-exact",
    "interlinear": "linear",
    "intercubic": "cubic",
    "interarea": "area",
}
_ADVICE = {  # for methods that do not exist here
    "lanczos2": "lanczos has three lobes",
    "lanczos4": "lanczos has three lobes",
    "interlanczos4": "lanczos has three lobes",
    "sinc": "lanczos is a windowed sinc",
    "windowedsinc": "lanczos is a windowed sinc",
    "catrom": "cubic comes closest",
    "catmullrom": "cubic comes closest",
    "mitchell": "cubic comes closest",
    "spline": "cubic comes closest",
    "bspline": "cubic comes closest",
    "hermite": "linear comes closest",
    "gaussian": "linear with --antialias comes closest",
    "majority": "label lets the largest share win",
    "0": "a spline of order 0 is nearest",
    "1": "a spline of order 1 is linear",
    "3": "cubic comes closest",
    "hamming": "lanczos with --antialias comes closest",
    "auto": "leave the option out for the default",
    "antialias": "--antialias is an option of its own",
}


def canonical_mode(name: str, option: str) -> str:
    """The name in the table of modes for a `name` as users write it.

    Args:
        name: in any case; also a name that another tool uses for the same mode.
        option: the option's name and, if it has several parts, its value, for the message.

    Raises:
        RequestError: there is no such mode.
    """
    mode = known_mode(name)
    if mode is None:
        advice = f" ({_ADVICE[_key(name)]})" if _key(name) in _ADVICE else ""
        raise RequestError(f"{option}: unknown mode {name!r}; choose from {', '.join(MODES)}{advice}")
    return mode


def known_mode(name: str) -> str | None:
    """As `canonical_mode`, but None if there is no such mode."""
    return ({_key(mode): mode for mode in MODES} | _SYNONYMS).get(_key(name))


def _key(name: str) -> str:
    return name.strip().lower().replace("-", "").replace("_", "").replace(" ", "")
