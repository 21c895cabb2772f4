"""What people and programs are told: lines, the display, tables, summaries, and JSON by its schema."""

import io
import json
import os
import re
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from upsample_cli.batch.job import Job
from upsample_cli.batch.result import Report, Result, Summary
from upsample_cli.batch.run import ExecutionOptions, run_jobs
from upsample_cli.cli import console as feedback_module
from upsample_cli.cli import progress as progress_module
from upsample_cli.cli.console import Console
from upsample_cli.cli.json_lines import VERSION, json_line
from upsample_cli.cli.progress import Display
from upsample_cli.cli.result_text import format_duration, one_line, summary, table, whole_plan
from upsample_cli.errors import InputError, InternalError, OutputError
from upsample_cli.geometry import Axis, Grid
from upsample_cli.pipeline.request import PerAxis, Request

TWICE = Request(scale=PerAxis.parse("2", "--scale"))
SCHEMA = json.loads(files("upsample_cli.cli").joinpath("results.schema.json").read_text())

BEFORE = Summary(Grid((Axis("t", 4, 2.0, "s"), Axis("y", 3, 2.0, "mm"), Axis("x", 5, 1.0, "mm"))), "uint8")
AFTER = Summary(Grid((Axis("t", 4, 2.0, "s"), Axis("y", 6, 1.0, "mm"), Axis("x", 10, 0.5, "mm"))), "uint8")
PLANNED = Result(
    *(Path("in/a.tif"), Path("out/a.tif"), "planned"),
    **{"before": BEFORE, "after": AFTER, "mode": "bilinear", "compute_dtype": "float32"},
    **{"seconds": 0.25, "bytes": 240, "memory": 60_000_000},
)


def done(name="in/a.tif", **settings):
    known = {
        field: getattr(PLANNED, field) for field in ("before", "after", "mode", "compute_dtype", "seconds", "bytes")
    }
    return Result(Path(name), Path("out", Path(name).name), "done", **(known | settings))


def skipped(name="b.tif"):
    return Result(Path(name), Path("out", name), "skipped", reason="exists")


def failed(name="c.tif", error=None, **settings):
    return Result(
        Path(name), Path("out", name), "failed", error=error or InputError("is empty", Path(name)), **settings
    )


# --- words ---


@pytest.mark.parametrize(
    ("result", "line"),
    [
        (done(), "in/a.tif → out/a.tif: 5×3 t4 → 10×6 t4, uint8, bilinear, spacing 0.5×1 mm, 0.25 s"),
        (skipped(), "out/b.tif exists: skipped"),
        (failed(), "Error: c.tif: is empty"),
        (
            done("a\nb\x1b.tif"),
            r"a\nb\x1b.tif → out/a\nb\x1b.tif: 5×3 t4 → 10×6 t4, uint8, bilinear, spacing 0.5×1 mm, 0.25 s",
        ),
    ],
    ids=["done", "skipped", "failed", "odd-name"],
)
def test_what_became_of_a_file_is_one_line(result, line):
    assert one_line(result) == line


def test_a_file_of_several_images_tells_their_number():
    several = done()
    several = several._replace(before=several.before._replace(arrays=2), after=several.after._replace(arrays=2))
    assert one_line(several).startswith("in/a.tif → out/a.tif: 2 images, the first 5×3 t4 → 10×6 t4, ")


def test_a_plan_tells_each_axis():
    assert whole_plan(PLANNED).splitlines() == [
        "in/a.tif → out/a.tif",
        "  axis x    5 → 10, spacing 1 → 0.5 mm",
        "  axis y    3 → 6, spacing 2 → 1 mm",
        "  axis t    4, spacing 2 s",
        "  samples   uint8, computed in float32",
        "  mode      bilinear",
        "  output    240 bytes before compression",
        "  memory    about 60.0 MB",
    ]
    assert whole_plan(done()).splitlines()[-2] == "  output    240 bytes"


def test_plans_of_many_files_are_a_table():
    heading, first, second, third = table([PLANNED, skipped(), failed()])
    starts = [heading.index(word) for word in ("INPUT", "OUTPUT", "SIZE", "SPACING", "TYPE", "MODE")]
    assert [first[start - 1] for start in starts[1:]] == [" "] * 5
    cells = ["in/a.tif", "out/a.tif", "5×3 t4 → 10×6 t4", "0.5×1 mm", "uint8", "bilinear"]
    assert [first[start:].startswith(cell) for start, cell in zip(starts, cells, strict=True)] == [True] * 6
    assert first.endswith("240 bytes  60.0 MB")
    assert second.split() == ["b.tif", "out/b.tif", "skipped:", "exists"]
    assert third.split() == ["c.tif", "out/c.tif", "c.tif:", "is", "empty"]
    long = failed(error=InputError("cannot be read for " + "long " * 50 + "reasons"))
    assert table([PLANNED, long])[2].endswith("long reasons")
    assert len(table([PLANNED, long])[1]) == len(first)


@pytest.mark.parametrize("width", [200, 120, 80, 40, 12])
def test_a_table_fits_a_terminal_by_its_longest_names(width):
    long = PLANNED._replace(input=Path("in/begin" + "x" * 150 + "end.tif"))
    lines = table([PLANNED, long, failed()], width)
    assert max(map(len, lines)) <= width
    if width >= 120:
        assert "…" in lines[2]
        assert "end.tif" in lines[2]
        assert "5×3 t4 → 10×6 t4" in lines[1]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *((0.04, "0.0 s"), (4.24, "4.2 s"), (59.4, "59.4 s"), (59.6, "1:00 min"), (185, "3:05 min")),
        *((3599.7, "1:00:00 h"), (3727, "1:02:07 h"), (360_000, "100:00:00 h")),
    ],
)
def test_durations(seconds, text):
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("results", "options", "lines"),
    [
        ([done(), done(), failed()], {}, ["480 bytes written in 4.0 s, 0.5 files/s", "2 done, 0 skipped, 1 failed"]),
        ([skipped()], {}, ["0 done, 1 skipped, 0 failed"]),
        ([PLANNED], {"dry_run": True}, ["240 bytes before compression", "1 planned, 0 skipped, 0 failed"]),
        ([skipped()], {"total": 4}, ["0 done, 1 skipped, 0 failed, 3 not reached"]),
    ],
    ids=["run", "nothing", "dry", "interrupted"],
)
def test_the_summary_ends_in_numbers_of_files(results, options, lines):
    report = Report()
    for result in results:
        report.add(result)
    assert summary(report, 4.0, **options) == lines


# --- what is said when ---


def told(capsys, results, total=None, **settings):
    """What goes to stdout and to stderr, as lines."""
    with Console(len(results) if total is None else total, **settings) as feedback:
        for result in results:
            feedback.show(result)
    captured = capsys.readouterr()
    return captured.out.splitlines(), captured.err.splitlines()


def test_a_single_file_has_a_line_and_no_summary(capsys):
    assert told(capsys, [done()]) == ([], [one_line(done())])


def test_several_files_have_a_line_each_and_a_summary(capsys):
    out, err = told(capsys, [done(), skipped(), failed()])
    assert out == []
    assert err[:3] == [one_line(done()), one_line(skipped()), one_line(failed())]
    assert err[-1] == "1 done, 1 skipped, 1 failed"
    assert len(err) == 5


def test_quiet_says_errors_alone(capsys):
    warned = done(warnings=("something is lost",))
    assert told(capsys, [warned, skipped(), failed()], quiet=True) == ([], ["Error: c.tif: is empty"])


def test_verbose_adds_the_plan_and_the_traceback_of_a_bug(capsys):
    error = InternalError("This is a bug: here", Path("c.tif"))
    error.traceback = "Traceback: line 7\n"
    _, err = told(capsys, [done(), failed(error=error)], verbose=True)
    assert whole_plan(done()).splitlines() == err[1:9]
    assert "Traceback: line 7" in err
    assert "Traceback" not in "".join(told(capsys, [done(), failed(error=error)])[1])


def test_the_same_warning_is_counted_after_a_few(capsys):
    results = [done(f"{number}.tif", warnings=("the ICC profile is lost",)) for number in range(30)]
    results[7] = done("7.tif", warnings=("something else is lost",))
    _, err = told(capsys, results)
    warnings = [line for line in err if line.startswith("Warning: ")]
    assert warnings == [
        "Warning: 0.tif: the ICC profile is lost",
        "Warning: 1.tif: the ICC profile is lost",
        "Warning: 2.tif: the ICC profile is lost",
        "Warning: 7.tif: something else is lost",
        "Warning: 26 more files: the ICC profile is lost",
    ]


@pytest.mark.parametrize(("total", "repeated"), [(20, False), (21, True)])
def test_failures_among_many_files_are_repeated_in_the_order_of_the_inputs(capsys, total, repeated):
    results = [done(f"{number}.tif", number=number) for number in range(2, total)]
    results = [failed("late.tif", number=1), *results, failed("early.tif", number=0)]
    _, err = told(capsys, results)
    assert (err[-4:-2] == ["  early.tif: is empty", "  late.tif: is empty"]) == repeated
    assert err.count("Error: late.tif: is empty") == 1


def test_a_batch_that_is_interrupted_tells_how_far_it_came(capsys):
    feedback = Console(5)
    feedback.show(done())
    feedback.__exit__(KeyboardInterrupt, None, None)
    assert capsys.readouterr().err.splitlines()[-1] == "1 done, 0 skipped, 0 failed, 4 not reached"


def test_a_dry_run_of_one_file_is_its_plan_and_of_several_a_table(capsys):
    assert told(capsys, [PLANNED], dry_run=True) == (whole_plan(PLANNED).splitlines(), [])
    results = [skipped(), PLANNED, failed()]
    out, err = told(capsys, results, dry_run=True)
    assert out == table([skipped(), PLANNED, failed()])
    assert err[-1] == "1 planned, 1 skipped, 1 failed"
    out, _ = told(capsys, [PLANNED, PLANNED], dry_run=True, verbose=True)
    assert out == whole_plan(PLANNED).splitlines() * 2


def test_the_table_is_in_the_order_of_the_inputs(capsys):
    results = [Result(Path(name), Path(name), "skipped", number, reason="exists") for number, name in enumerate("abc")]
    out, _ = told(capsys, [results[2], results[0], results[1]], dry_run=True)
    assert [line.split()[0] for line in out[1:]] == ["a", "b", "c"]


def test_nobody_reads_the_output(monkeypatch):
    class Full(io.StringIO):
        def write(self, text):
            raise OSError(28, "No space left on device")

        def fileno(self):
            return os.open(os.devnull, os.O_WRONLY)

    monkeypatch.setattr("sys.stdout", Full())
    with pytest.raises(OutputError, match="the standard output cannot be written: No space left"):
        feedback_module.write_out("text")


# --- JSON ---


@pytest.fixture
def valid():
    """A function that asserts that a line is as the schema says, and gives what it says."""
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    validator = jsonschema.Draft202012Validator(SCHEMA)

    def check(line):
        assert line.isascii()
        assert "\n" not in line
        record = json.loads(line)
        validator.validate(record)
        return record

    return check


ODD = b"n\xff\n\x1b\xc3\xbc \xf0\x9f\x90\x88.tif"


@pytest.mark.parametrize(
    "result",
    [
        *(
            PLANNED,
            done(),
            skipped(),
            failed(),
            failed(before=BEFORE, after=AFTER, mode="cubic", compute_dtype="float32"),
        ),
        failed(error=InternalError("This is a bug", Path("c"))),
        Result(Path("d"), None, "failed", error=InputError("does not exist", Path("d"))),
        done(before=Summary(Grid((Axis("x", 3, float("inf")), Axis("s", 3))), "bool", 7)),
        done(os.fsdecode(ODD), warnings=("one", "two")),
    ],
    ids=["planned", "done", "skipped", "failed", "failed-late", "bug", "unnamed", "infinite", "odd-name"],
)
def test_json_is_as_its_schema_says(valid, result):
    record = valid(json_line(result))
    assert record["version"] == VERSION == SCHEMA["properties"]["version"]["const"]
    assert (Path(record["input"]), record["status"]) == (result.input, result.status)
    assert record["error"] == (result.error and {"message": str(result.error), "exit_code": result.error.exit_code})
    assert record["warnings"] == list(result.warnings)


def test_json_tells_what_the_issue_asks_for(valid):
    record = valid(json_line(done()))
    assert record["after"] == {
        "axes": ["t", "y", "x"],
        "shape": [4, 6, 10],
        "spacing": [2.0, 1.0, 0.5],
        "unit": ["s", "mm", "mm"],
        "dtype": "uint8",
        "arrays": 1,
    }
    assert (record["mode"], record["seconds"], record["bytes"], record["memory"]) == ("bilinear", 0.25, 240, 0)


def test_names_in_json_lead_back_to_the_files(valid):
    assert os.fsencode(valid(json_line(done(os.fsdecode(ODD))))["input"]) == ODD


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"status": "perhaps"},
        {"error": {"message": "", "exit_code": 3}},
        {"reason": "exists"},
        {"after": None},
        {"bytes": -1},
        {"more": 1},
    ],
    ids=str,
)
def test_the_schema_can_refuse(valid, change):
    record = json.loads(json_line(done())) | change
    with pytest.raises(pytest.importorskip("jsonschema").ValidationError):
        valid(json.dumps(record))


def test_json_is_a_line_for_each_file_and_no_table(capsys, valid):
    out, err = told(capsys, [PLANNED, skipped(), failed()], json=True, dry_run=True)
    assert [valid(line)["status"] for line in out] == ["planned", "skipped", "failed"]
    assert err[-1] == "1 planned, 1 skipped, 1 failed"
    out, err = told(capsys, [done(), failed()], json=True, quiet=True)
    assert [valid(line)["status"] for line in out] == ["done", "failed"]
    assert err == ["Error: c.tif: is empty"]


def test_json_of_real_files(tmp_path, monkeypatch, valid):
    monkeypatch.chdir(tmp_path)
    np.save("a.npy", np.zeros((3, 4, 5), np.float32))
    np.save("odd\udcff.npy", np.zeros(3, np.complex64))
    jobs = [Job(Path(name), Path(f"out-{name}"), TWICE) for name in ("a.npy", "odd\udcff.npy", "none.npy")]
    records = [valid(json_line(result)) for job in jobs for result in run_jobs([job], ExecutionOptions())]
    assert [record["status"] for record in records] == ["done", "done", "failed"]
    assert records[0]["after"]["shape"] == [6, 8, 10]
    assert records[0]["bytes"] == (tmp_path / "out-a.npy").stat().st_size


# --- the display ---


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """The time of the display, which a test moves."""
    now = [100.0]
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: now[0])
    return now


def screen(stream):
    """What is on the last line of a terminal, and the lines above."""
    text = re.sub(r"\x1b\[\?7[hl]", "", stream.getvalue())
    return [line.split("\r\x1b[K")[-1] for line in text.split("\n")]


def test_short_work_shows_nothing(clock):
    stream = Terminal()
    display = Display(3, stream)
    for number in range(3):
        clock[0] += 0.1
        display.finish(Path(str(number)))
    display.clear()
    assert stream.getvalue() == ""


def test_long_work_shows_how_far_it_is(clock):
    stream = Terminal()
    display = Display(100, stream)
    for number in range(25):
        display.advance(Path(f"{number}.png"), 0.0)
        clock[0] += 0.4
        display.finish(Path(f"{number}.png"))
    display.advance(Path("big\n.nii"), 0.0)
    clock[0] += 0.2
    display.advance(Path("big\n.nii"), 0.6)
    bar, part = "━" * 5 + "─" * 15, "━" * 12 + "─" * 8
    # 25.6 files in 10.2 s, 74.4 are left
    assert screen(stream)[-1] == rf"{bar} 25/100  2.45 files/s  29.6 s left  {part} 60% big\n.nii"
    display.clear()
    assert screen(stream)[-1] == ""


def test_files_that_are_skipped_tell_nothing_of_the_rate(monkeypatch, clock):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with Console(1000) as feedback:
        for _ in range(990):
            feedback.show(skipped())
        clock[0] += 2
        feedback.show(done())
        clock[0] += 2
        feedback.progress(Job(Path("c.tif"), Path("out"), TWICE), 0.0)
        assert "1/10  0.25 files/s  36.0 s left  c.tif" in screen(terminal)[-1]


def test_a_big_file_alone_has_a_bar(clock):
    stream = Terminal()
    display = Display(1, stream)
    display.advance(Path("big.tif"), 0.0)
    for step in range(1, 6):
        clock[0] += 1.0
        display.advance(Path("big.tif"), step / 10)
    assert screen(stream) == ["5.0 s left  " + "━" * 10 + "─" * 10 + " 50% big.tif"]


def test_the_display_is_drawn_ten_times_a_second_at_most(clock):
    stream = Terminal()
    display = Display(10_000, stream)
    for number in range(5000):
        clock[0] += 0.001
        display.finish(Path(str(number)))
    assert 40 <= stream.getvalue().count("\r\x1b[K") <= 46


def test_signs_are_what_the_terminal_can_spell(clock):
    stream = Terminal()
    stream.encoding = "ascii"
    display = Display(2, stream)
    clock[0] += 1
    display.finish(Path("a"))
    assert "#####-----" in stream.getvalue()
    assert stream.getvalue().isascii()


def test_lines_are_not_mixed_with_the_display(monkeypatch, clock, capsys):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    job = Job(Path("c.tif"), Path("out"), TWICE)
    with Console(3) as feedback:
        clock[0] += 1
        feedback.show(done("a.tif"))
        clock[0] += 1
        feedback.progress(job, 0.5)
        assert screen(terminal)[-1].endswith("50% c.tif")
        feedback.show(done("b.tif"))
        clock[0] += 1
        feedback.show(failed("c.tif"))
    lines = [re.sub(r"\x1b\[\d*m", "", line) for line in screen(terminal)]
    assert [line.split(" ")[0] for line in lines] == ["a.tif", "b.tif", "Error:", "480", "2", ""]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("terminal", "term", "settings", "shows"),
    [
        (True, "xterm", {}, True),
        (True, "dumb", {}, False),
        (False, "xterm", {}, False),
        (True, "xterm", {"quiet": True}, False),
        (True, "xterm", {"progress": False}, False),
        (False, "xterm", {"progress": True}, True),
        (True, "xterm", {"progress": True, "quiet": True}, True),
    ],
    ids=str,
)
def test_the_display_is_for_terminals(monkeypatch, clock, terminal, term, settings, shows):
    stream = Terminal()
    stream.isatty = lambda: terminal
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setenv("TERM", term)
    with Console(2, **settings) as feedback:
        clock[0] += 1
        feedback.show(done())
    assert ("1/2" in stream.getvalue()) == shows


@pytest.mark.parametrize(("no_color", "colours"), [("", True), ("1", False)])
def test_colours_are_for_terminals_and_only_where_they_are_wanted(monkeypatch, no_color, colours):
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setenv("NO_COLOR", no_color)
    with Console(1, progress=False) as feedback:
        feedback.show(failed())
    assert ("\x1b[31m" in stream.getvalue()) == colours


def test_no_colours_go_into_files(capsys):
    assert "\x1b" not in "".join(told(capsys, [failed(), done(warnings=("lost",))])[1])
