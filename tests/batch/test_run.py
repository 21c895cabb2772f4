"""Jobs to results: in this process and in workers, with the memory and the cores that there are."""

import inspect
import os
import pickle
import signal
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from tests.process_helpers import command, environment
from upsample_cli import errors
from upsample_cli.batch import pool, pool_worker, worker
from upsample_cli.batch.existing import Existing
from upsample_cli.batch.job import ExecutionOptions, Job
from upsample_cli.batch.result import Report, Result
from upsample_cli.batch.run import run_jobs
from upsample_cli.core import threads
from upsample_cli.errors import InputError, InternalError, OutputError, RequestError, UpsampleError
from upsample_cli.pipeline.plan import Plan
from upsample_cli.pipeline.request import PerAxis, Request
from upsample_cli.pipeline.run import run_plan
from upsample_cli.runtime.atomic import AtomicOutput, remove_stale_of

TWICE = Request(scale=PerAxis.parse("2", "--scale"))
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    return tmp_path


@pytest.fixture(autouse=True)
def forks(monkeypatch):
    """Whatever threads the tests' own runner has; so workers are what is monkeypatched here."""
    monkeypatch.setattr(pool, "_can_fork", lambda: sys.platform == "linux")


def job(name, output=None, **settings):
    return Job(Path(name), Path(output or f"out/{Path(name).name}"), replace(TWICE, **settings))


def save(*names, shape=(3, 4)):
    for number, name in enumerate(names):
        np.save(name, np.full(shape, number, np.uint8))
    return [job(name) for name in names]


def ended(jobs, **options):
    """The results in the order of the jobs."""
    return sorted(run_jobs(jobs, ExecutionOptions(**options)), key=lambda result: result.number)


def contents(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def children():
    """The processes that this one has started and that have not ended."""
    return set(Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split())


@pytest.fixture
def files(folder):
    """Files of several families, of which some fail or are left out."""
    rng = np.random.default_rng(5)
    for number in range(3):
        np.save(f"{number}.npy", rng.integers(0, 255, (4 + number, 5)).astype(np.uint8))
        Image.fromarray(rng.integers(0, 255, (6, 5 + number, 3)).astype(np.uint8)).save(f"{number}.png")
        array = rng.integers(0, 255, (4, 5, 3 + number)).astype(np.int16)
        nib.save(nib.Nifti1Image(array, np.diag([1, 2, 3, 1])), f"{number}.nii.gz")
    Path("broken.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    Path("empty.nii").touch()
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    jobs = [job(name) for name in names]
    jobs.append(Job(Path("old.npy"), Path("out/old.npy"), TWICE, skip="exists"))
    jobs.append(Job(Path("odd.npy"), Path("odd.npy"), TWICE, error=InputError("does not exist", Path("odd.npy"))))
    return jobs


def told(result):
    """What does not depend on the moment."""
    record = result._asdict()
    record["error"] = None if result.error is None else (type(result.error), str(result.error), result.error.path)
    for name in ("before", "after"):
        if (summary := record[name]) is not None:
            affines = {frame: affine.tolist() for frame, affine in summary.grid.affines.items()}
            record[name] = (summary.grid.axes, affines, summary.dtype, summary.arrays)
    return {name: value for name, value in record.items() if name != "seconds"}


def test_results_and_files_do_not_depend_on_the_number_of_processes(files, folder):
    singles = [result._replace(number=n) for n, one in enumerate(files) for result in ended([one])]
    assert [result.status for result in singles] == [*["done"] * 9, "failed", "failed", "skipped", "failed"]
    expected = contents("out")
    assert len(expected) == 9
    for processes in (1, 2, 5):
        for path in Path("out").iterdir():
            path.unlink()
        results = ended(files, processes=processes)
        assert [told(result) for result in results] == [told(result) for result in singles]
        assert contents("out") == expected


def test_workers_that_are_not_copies_of_this_process(files, monkeypatch):
    """As on other systems than Linux, and where this process has threads."""
    monkeypatch.setattr(pool, "_can_fork", lambda: False)
    statuses = [result.status for result in ended(files[:4] + files[-3:], processes=2)]
    assert statuses == ["done"] * 4 + ["failed", "skipped", "failed"]


def test_a_result_tells_what_was_done(files):
    result = next(result for result in ended(files) if result.input.name == "1.nii.gz")
    assert (result.status, result.mode, result.compute_dtype, result.error) == ("done", "trilinear", "float32", None)
    assert [result.before.grid.shape, result.after.grid.shape] == [(4, 5, 4), (8, 10, 8)]
    assert [axis.spacing for axis in result.after.grid.axes] == [1.5, 1.0, 0.5]
    assert (result.before.dtype, result.after.dtype, result.after.arrays) == ("int16", "int16", 1)
    assert result.bytes == Path("out/1.nii.gz").stat().st_size
    assert result.seconds > 0
    assert result.memory > 2 * 2 * 8 * 10 * 8


def test_an_output_may_be_taken_away_at_once(monkeypatch):
    """As by a program that waits for it."""
    publish = AtomicOutput.publish

    def published(self, overwrite):
        publish(self, overwrite)
        Path("out/a.npy").rename("taken.npy")

    monkeypatch.setattr(AtomicOutput, "publish", published)
    (result,) = ended(save("a.npy"))
    assert (result.status, result.bytes) == ("done", Path("taken.npy").stat().st_size)


def test_a_dry_run_writes_nothing(files):
    results = ended(files, dry_run=True, processes=2)
    assert contents("out") == {}
    assert {result.status for result in results} == {"planned", "failed", "skipped"}
    assert next(result for result in results if result.input.name == "0.npy").bytes == 8 * 10


def test_a_missing_file_fails_and_has_no_plan():
    (result,) = ended([job("none.npy")])
    assert (type(result.error), str(result.error)) == (InputError, "none.npy: does not exist")
    assert (result.before, result.after, result.bytes) == (None, None, 0)


@pytest.mark.parametrize("count", [1, 2])
def test_a_lack_of_memory_and_a_bug_are_said_of_the_file(monkeypatch, count):
    def fail(plan, source, **settings):
        raise {"a": MemoryError, "b": ZeroDivisionError}[plan.source_path.stem]("here")

    monkeypatch.setattr(worker, "run_plan", fail)
    jobs = save("a.npy", "b.npy")
    a, b = ended(jobs) if count == 2 else [*ended(jobs[:1]), *ended(jobs[1:])]
    assert (type(a.error), type(b.error)) == (RequestError, InternalError)
    assert str(a.error).startswith("a.npy: not enough memory")
    assert str(b.error) == "b.npy: This is a bug: ZeroDivisionError: here (-v shows where)"
    assert "in fail" in b.error.traceback
    assert "ZeroDivisionError: here" in b.error.traceback


def subclasses(kind):
    return [kind, *(below for child in kind.__subclasses__() for below in subclasses(child))]


@pytest.mark.parametrize("kind", subclasses(UpsampleError), ids=lambda kind: kind.__name__)
def test_errors_survive_the_way_between_processes(kind):
    error = kind("is so", Path("a\nb"))
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.path, again.exit_code) == (kind, r"a\nb: is so", error.path, kind.exit_code)


def test_all_errors_are_known_here():
    assert {kind.__name__ for kind in subclasses(UpsampleError)} >= {
        name for name, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, UpsampleError)
    }


def test_results_come_as_they_end():
    jobs = save("a.npy", "b.npy", "c.npy")
    with closing(run_jobs(jobs, ExecutionOptions(1))) as results:
        first = next(results)
        assert first.output.exists()
    assert len(contents("out")) < 3


@LINUX
def test_workers_end_with_the_jobs_or_when_nobody_wants_more():
    jobs = save(*(f"{number}.npy" for number in range(20)))
    before = children()
    with closing(run_jobs(jobs, ExecutionOptions(3))) as results:
        next(results)
        assert len(children() - before) == 3
    assert children() == before
    assert 1 <= len(contents("out")) < 20
    ended([one._replace(output=one.output.with_suffix(".tif")) for one in jobs], processes=3)
    assert children() == before


def test_one_job_does_not_import_what_several_need():
    save("a.npy", "b.npy")
    for names, several in ((["a.npy"], False), (["a.npy", "b.npy"], True)):
        arguments = command(*names, "--scale", "2", "-o", "out/", "-q", "--overwrite", python=["-X", "importtime"])
        done = subprocess.run(arguments, env=environment(), capture_output=True, text=True, check=True, timeout=60)
        imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
        assert "upsample_cli.batch.run" in imported
        assert ("multiprocessing" in imported) == ("upsample_cli.batch.pool" in imported) == several
        assert not imported & {
            "json",
            "concurrent.futures",
            "upsample_cli.cli.progress",
            "upsample_cli.cli.json_lines",
        }


@LINUX
def test_one_job_has_no_worker(monkeypatch):
    def run(plan, source, **settings):
        Path("who").write_text(str(os.getpid()))
        return run_plan(plan, source, **settings)

    monkeypatch.setattr(worker, "run_plan", run)
    assert [result.status for result in run_jobs(save("a.npy"), ExecutionOptions(4))] == ["done"]
    assert Path("who").read_text() == str(os.getpid())


@LINUX
def test_a_worker_that_is_killed_costs_its_file(monkeypatch):
    def run(plan, source, **settings):
        if plan.source_path.stem == "3":
            with AtomicOutput([plan.output_path]):
                os.kill(os.getpid(), signal.SIGKILL)
        if plan.source_path.stem == "5":
            os._exit(7)
        return run_plan(plan, source, **settings)

    monkeypatch.setattr(worker, "run_plan", run)
    results = ended(save(*(f"{number}.npy" for number in range(9))), processes=2)
    failed = {result.input.stem: result.error for result in results if result.status == "failed"}
    assert str(failed["3"]).startswith("3.npy: its worker process was ended by SIGKILL")
    assert str(failed["5"]) == "5.npy: its worker process was ended by exit code 7"
    assert [result.status for result in results].count("done") == 7
    assert sorted(contents("out")) == [f"{number}.npy" for number in (0, 1, 2, 4, 6, 7, 8)]


@pytest.mark.parametrize("possible", [1, 2])
def test_as_many_processes_as_the_system_allows(monkeypatch, possible):
    made = []

    class Worker(pool._Worker):
        def __init__(self, *arguments):
            if len(made) == possible:
                raise BlockingIOError(11, "Resource temporarily unavailable")
            made.append(self)
            super().__init__(*arguments)

    monkeypatch.setattr(pool, "_Worker", Worker)
    assert [result.status for result in ended(save(*(f"{number}.npy" for number in range(5))), processes=4)] == (
        ["done"] * 5
    )
    assert len(made) == possible
    made = [None] * possible
    with pytest.raises(RequestError, match="cannot start a worker process: Resource temp"):
        ended(save("a.npy", "b.npy"))


@LINUX
def test_what_others_are_writing_is_left_when_a_worker_has_been_killed(folder):
    """The same number of a process may be that of one on another machine, which holds its file."""
    with AtomicOutput([folder / "mine.npy"]) as mine:
        remove_stale_of(os.getpid(), folder)
        assert mine.paths[0].exists()
    (folder / f".upsample-{os.getpid() + 1:06x}abcdef.tmp.npy").touch()
    before = contents_of_files(folder)
    remove_stale_of(os.getpid(), folder)
    assert contents_of_files(folder) == before
    remove_stale_of(os.getpid() + 1, folder)
    assert contents_of_files(folder) == set()


def contents_of_files(folder):
    return {path.name for path in folder.iterdir() if path.is_file()}


def at_work(monkeypatch, jobs, **options):
    """The largest number of jobs that were carried out at the same moment, and the results."""

    def run(plan, source, **settings):
        Path(f"busy/{os.getpid()}").touch()
        Path(f"seen/{plan.source_path.stem}").write_text(str(len(list(Path("busy").iterdir()))))
        time.sleep(0.05)
        Path(f"busy/{os.getpid()}").unlink()
        return run_plan(plan, source, **settings)

    for name in ("busy", "seen"):
        Path(name).mkdir(exist_ok=True)
    monkeypatch.setattr(worker, "run_plan", run)
    results = ended(jobs, **options)
    return max(int(path.read_text()) for path in Path("seen").iterdir()), results


def test_jobs_wait_until_they_fit_into_memory_together(monkeypatch):
    jobs = save(*(f"{number}.npy" for number in range(6)))
    (planned,) = ended(jobs[:1], dry_run=True)
    most, results = at_work(monkeypatch, jobs, processes=3, max_memory=int(1.5 * planned.memory))
    assert most == 1
    assert {result.status for result in results} == {"done"}


def test_jobs_that_fit_into_memory_do_not_wait(monkeypatch):
    jobs = save(*(f"{number}.npy" for number in range(6)))
    most, results = at_work(monkeypatch, jobs, processes=3)
    assert most == 3
    assert {result.status for result in results} == {"done"}


def test_no_job_is_assigned_while_another_holds_most_of_the_memory(monkeypatch):
    """Small jobs stay within a worker's share and ask for nothing, so the parent alone can hold them back."""
    memory = property(lambda plan: 80 if plan.source_path.stem == "large" else 10)
    monkeypatch.setattr(Plan, "memory", memory)

    def run(plan, source, **settings):
        marker = Path(f"busy/{plan.source_path.stem}")
        marker.touch()
        time.sleep(0.3 if marker.name == "large" else 0.02)
        Path(f"seen/{marker.name}").write_text(" ".join(path.name for path in Path("busy").iterdir()))
        marker.unlink()
        return run_plan(plan, source, **settings)

    for name in ("busy", "seen"):
        Path(name).mkdir()
    monkeypatch.setattr(worker, "run_plan", run)
    results = ended(save("large.npy", *(f"{number}.npy" for number in range(6))), processes=3, max_memory=90)
    assert [result.error for result in results] == [None] * 7
    assert Path("seen/large").read_text() == "large"
    assert not any("large" in path.read_text() for path in Path("seen").iterdir() if path.name != "large")


@pytest.mark.parametrize(
    ("cores", "count", "processes", "expected"),
    [
        (8, 2, None, [4, 4]),
        (8, 1, None, [8]),
        (2, 5, None, [1, 1, 1, 1]),
        (8, 3, 2, [4, 4]),
        (8, 3, 9, [3]),
        (1, 2, 4, [1, 1]),
    ],
    ids=str,
)
def test_cores_are_shared_among_the_jobs_that_there_are(monkeypatch, cores, count, processes, expected):
    """Many small files have one thread each; a few large ones use the cores within. The last may have more."""

    def run(plan, source, **settings):
        Path(f"threads/{plan.source_path.stem}").write_text(f"{plan.threads} {threads.available_cores()}")
        return 0

    monkeypatch.setattr(worker, "run_plan", run)
    monkeypatch.setattr(pool, "available_cores", lambda: cores)
    monkeypatch.setattr(threads, "_core_limit", cores if count == 1 else None)
    Path("threads").mkdir()
    jobs = save(*(f"{number}.npy" for number in range(count)))
    assert {result.status for result in ended(jobs, processes=processes)} == {"done"}
    taken = [list(map(int, Path(f"threads/{number}").read_text().split())) for number in range(len(expected))]
    assert taken == [[number, number] for number in expected]


def test_threads_that_are_asked_for_are_taken(monkeypatch):
    def run(plan, source, **settings):
        assert plan.threads == 3
        return 0

    monkeypatch.setattr(worker, "run_plan", run)
    jobs = [one._replace(request=replace(TWICE, threads=3)) for one in save("a.npy", "b.npy")]
    assert {result.status for result in ended(jobs)} == {"done"}


@pytest.mark.parametrize("count", [1, 3])
def test_progress_is_told_of_each_job(monkeypatch, count):
    from upsample_cli.pipeline import array_plan

    monkeypatch.setattr(array_plan, "_SLAB_BYTES", 1)
    monkeypatch.setattr(pool_worker, "_PROGRESS_SECONDS", 0.0)
    jobs = save(*(f"{number}.npy" for number in range(count)), shape=(6, 4, 4))
    news = {one.input.name: [] for one in jobs}
    ended(jobs, processes=2, progress=lambda one, part: news[one.input.name].append(part))
    for parts in news.values():
        assert parts[0] == 0.0
        assert parts[-1] == 1.0
        assert parts == sorted(parts)
        assert len(parts) == 1 + 12


def test_what_comes_into_being_meanwhile_is_skipped_if_what_exists_is(monkeypatch):
    def run(plan, source, **settings):
        if plan.source_path.stem == "a":
            plan.output_path.write_bytes(b"of another run")
        return run_plan(plan, source, **settings)

    monkeypatch.setattr(worker, "run_plan", run)
    jobs = save("a.npy", "b.npy", "c.npy")
    Path("out/b.npy").write_bytes(b"of another run")
    results = ended(jobs, existing=Existing.SKIP, processes=1)
    assert [(result.status, result.reason) for result in results] == [
        ("skipped", "exists"),
        ("skipped", "exists"),
        ("done", None),
    ]
    assert contents("out")["a.npy"] == contents("out")["b.npy"] == b"of another run"
    Path("out/a.npy").unlink()
    (result,) = ended(jobs[:1])
    assert isinstance(result.error, OutputError)
    assert "was created by another process meanwhile" in str(result.error)


def test_thumbnails_are_made_where_they_are_wanted(files):
    wanted = [result.thumbnails for result in ended(files, thumbnails=True) if result.status == "done"]
    assert all(thumbnails.before and thumbnails.after for thumbnails in wanted)
    assert {result.thumbnails for result in ended(files, existing=Existing.OVERWRITE)} == {None}


# --- the report ---

DONE = Result(Path("a"), Path("b"), "done", bytes=3)
PLANNED = DONE._replace(status="planned")
SKIPPED = Result(Path("a"), Path("b"), "skipped", reason="exists")
UNREAD = Result(Path("a"), Path("b"), "failed", error=InputError("is empty", Path("a")))
UNWRITTEN = Result(Path("a"), Path("b"), "failed", error=OutputError("cannot be written", Path("b")))
SENSELESS = Result(Path("a"), Path("b"), "failed", error=RequestError("ask for less", Path("a")))


@pytest.mark.parametrize(
    ("results", "counts", "code"),
    [
        ([], (0, 0, 0), 0),
        ([DONE], (1, 0, 0), 0),
        ([PLANNED, DONE], (2, 0, 0), 0),
        ([SKIPPED], (0, 1, 0), 0),
        ([DONE, SKIPPED], (1, 1, 0), 0),
        ([SENSELESS], (0, 0, 1), 2),
        ([UNREAD], (0, 0, 1), 3),
        ([UNWRITTEN], (0, 0, 1), 4),
        ([DONE, UNREAD], (1, 0, 1), 5),
        ([UNREAD, DONE], (1, 0, 1), 5),
        ([SKIPPED, UNWRITTEN], (0, 1, 1), 5),
        ([UNREAD, UNREAD], (0, 0, 2), 5),
    ],
)
def test_counts_and_exit_codes(results, counts, code):
    report = Report()
    for result in results:
        report.add(result)
    assert (report.done, report.skipped, report.failed) == counts
    assert report.total == sum(counts)
    assert report.bytes == 3 * report.done
    assert report.exit_code == code
