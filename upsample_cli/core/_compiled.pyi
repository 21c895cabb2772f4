from .arrays import Array, FloatArray, IndexArray

_Matrix = tuple[int, IndexArray, IndexArray, FloatArray]  # size of the input, first, count, taps
_Formula = tuple[float, ...]  # see `core.kernel._formula`

def sets() -> list[str]: ...
def advise_large_pages(out: Array) -> None: ...

class Plan:
    def __init__(
        self,
        instruction_set: str,
        arithmetic: str,
        sample: str,
        item_size: int,
        slow: list[_Matrix],
        fast: _Matrix | _Formula | None,
        channels: int,
    ) -> None: ...
    def run(self, x: Array, out: Array, start: int, stop: int) -> None: ...
    def bind(self, x: Array, out: Array) -> BoundPlan: ...

class BoundPlan:
    def run_at(self, x: int, out: int) -> None: ...
