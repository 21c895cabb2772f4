"""Opens and decodes an input once for consecutive jobs that share it."""

from __future__ import annotations

from .. import formats
from ..core.arrays import Array
from ..errors import RequestError
from ..formats.base import Closeable, InMemory, Source, reads_boxes
from ..formats.watch import InputWatch
from ..pipeline.array_plan import array_bytes
from ..pipeline.mode import read_options
from ..pipeline.opening import open_input
from ..pipeline.plan import Plan, make_plan
from ..runtime.resources import default_memory_limit
from .job import Job

_LARGEST_PART = 0.5  # largest fraction of the memory limit that the samples of an input may take between jobs


class SharedInput(Closeable):
    """Opens the inputs of jobs, and keeps an input open while the next job has the same one."""

    def __init__(self) -> None:
        self._key: object = None
        self._source: Source | None = None
        self._held: _Held | None = None
        self._watch: InputWatch | None = None

    def plan(self, job: Job, further: bool) -> tuple[Plan, Source]:
        """The plan of a job, and its open input.

        Args:
            job: the job.
            further: whether the next job has the same input, whose samples are then kept if memory allows.

        Raises:
            UpsampleError: the input cannot be read, or the job cannot be done.
        """
        source = self._open(job)
        if self._held is None and further and _may_be_held(source, job):
            self._held = _Held(source)
        if self._held is not None:
            try:
                return make_plan(job.request, self._held, job.input, job.output), self._held
            except RequestError:  # without the held samples, the job may fit the memory limit
                self._held = None
        return make_plan(job.request, source, job.input, job.output), source

    def _open(self, job: Job) -> Source:
        request = job.request
        key = (*_contents(job), job.output.suffix, read_options(request), request.like, request.paired_image)
        if self._source is None or key != self._key:
            self.close()
            self._watch = InputWatch(job.input)
            self._source = open_input(job.input, request, job.output)
            # A `BoxSource` caches its own chunks, and a draft suits only one output size.
            self._key = None if reads_boxes(self._source) or request.draft else key
        return self._source

    def close(self) -> None:
        """Close the input, and free its samples."""
        source, watch = self._source, self._watch
        self._source = self._held = self._watch = None
        if source is not None:
            source.close()
        if watch is not None:
            watch.close()

    def check(self) -> None:
        """Check that the input has not changed since it was opened.

        Raises:
            InputError: it has been changed or replaced.
        """
        if self._watch is not None:
            self._watch.check()


def _contents(job: Job) -> tuple[object, ...]:
    """A key for the contents of the input: its path and modification times."""
    try:
        return (job.input, *(part.stat().st_mtime_ns for part in formats.parts(job.input)))
    except OSError:  # a URL, or a file that cannot be read, which its reader reports
        return (job.input,)


def _may_be_held(source: Source, job: Job) -> bool:
    """Whether to keep all samples of an input that is read in parts; other inputs keep theirs anyway."""
    limit = job.request.max_memory or default_memory_limit()
    size = sum(array_bytes(part.header) for part in (source, *source.others))
    return source.streams and not reads_boxes(source) and size <= _LARGEST_PART * limit


class _Held(InMemory):
    """A source whose samples are read once and kept; the source itself stays open."""

    def __init__(self, source: Source) -> None:
        super().__init__()
        self._source = source
        self.header, self.warnings = source.header, source.warnings
        self.memory_factor = self.held_factor = source.memory_factor + 1.0
        self.others = [_Held(other) for other in source.others]

    def load(self) -> Array:
        """The whole array."""
        shape = self.header.grid.shape
        return self._source.read(0, 0, shape[0]).reshape(shape)
