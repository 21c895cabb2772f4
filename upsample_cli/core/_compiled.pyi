from .arrays import Array, FloatArray, IndexArray

_Matrix = tuple[int, IndexArray, IndexArray, FloatArray]  # size of the input, first, count, taps

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
        fast: _Matrix | None,
        channels: int,
    ) -> None: ...
    def run(self, x: Array, out: Array, start: int, stop: int) -> None: ...
