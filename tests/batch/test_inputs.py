"""Which files are found: by names, patterns, lists and in directories; none of them is opened."""

import inspect
import os
import sys
from pathlib import Path

import pytest
from PIL import Image

from upsample_cli.batch.inputs import SUFFIXES, Selection, find_inputs
from upsample_cli.batch.lists import FailedList, listed_name, read_list
from upsample_cli.batch.result import Result
from upsample_cli.errors import InputError, OutputError, RequestError


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def touch(*names):
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def found(*names, without=None, **selection):
    return [str(file.path) for file in find_inputs(Selection(names, **selection), without).files]


TREE = ("d/b.png", "d/a.nii.gz", "d/sub/c.TIF", "d/sub/deep/e.npy", "d/notes.txt", "d/sub/t.csv", "d/z.jpeg")


# --- directories ---


def test_a_directory_is_searched_in_the_order_of_names():
    touch(*TREE)
    inputs = find_inputs(Selection(["d"], recursive=True))
    assert [(str(file.path), file.subdir) for file in inputs.files] == [
        ("d/a.nii.gz", ""),
        ("d/b.png", ""),
        ("d/sub/c.TIF", "sub"),
        ("d/sub/deep/e.npy", "sub/deep"),
        ("d/z.jpeg", ""),
    ]
    assert all(file.found for file in inputs.files)
    assert len(inputs.ignored) == 2


def test_without_r_a_directory_is_a_file_that_will_fail():
    touch(*TREE)
    (file,) = find_inputs(Selection(["d"])).files
    assert (str(file.path), file.found) == ("d", False)


def test_what_is_named_is_taken_whatever_it_is():
    touch(*TREE)
    assert found("d/notes.txt", "none.png", "d/sub", recursive=True) == [
        "d/notes.txt",
        "none.png",
        "d/sub/c.TIF",
        "d/sub/deep/e.npy",
    ]


def test_hidden_files_and_directories_are_left_alone():
    touch("d/a.png", "d/.b.png", "d/.git/c.png", "d/.upsample-0123456789ab.tmp.png")
    assert found("d", recursive=True) == ["d/a.png"]
    assert find_inputs(Selection(["d"], recursive=True)).ignored == []
    assert found("d/.git", recursive=True) == ["d/.git/c.png"]  # which is named


def test_loops_of_links_do_no_harm(folder):
    touch("d/a.png", "d/sub/b.png")
    for link, target in {"up": "..", "self": "self", "sub/root": folder, "sub/again": "."}.items():
        (folder / "d" / link).symlink_to(target)
    inputs = find_inputs(Selection(["d"], recursive=True))
    assert [str(file.path) for file in inputs.files] == ["d/a.png", "d/sub/b.png"]
    assert len(inputs.ignored) == 4


def test_a_tree_may_be_deeper_than_the_stack():
    deep = "d/" + "/".join(["x"] * 300)
    touch(f"{deep}/a.png")
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 100)
    try:
        assert found("d", recursive=True) == [f"{deep}/a.png"]
    finally:
        sys.setrecursionlimit(limit)


def test_links_to_files_are_files_and_a_link_to_a_directory_may_be_named(folder):
    touch("real/a.png")
    (folder / "link").symlink_to("real")
    (folder / "real" / "b.png").symlink_to("a.png")
    (folder / "real" / "lost.png").symlink_to("nowhere.png")
    assert found("link", recursive=True) == ["link/a.png", "link/b.png", "link/lost.png"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_what_is_no_regular_file_is_reported_and_never_opened(folder):
    """It would hang; by its suffix it is one of ours, so that it must not be passed over in silence."""
    (folder / "d").mkdir()
    os.mkfifo(folder / "d" / "pipe.png")
    os.mkfifo(folder / "d" / "pipe")
    inputs = find_inputs(Selection(["d"], recursive=True))
    assert [str(file.path) for file in inputs.files] == ["d/pipe.png"]
    assert len(inputs.ignored) == 1


def test_a_directory_that_cannot_be_read_is_a_failure_of_its_own(monkeypatch):
    scandir = os.scandir

    def locked(path):
        if path == "d/sub":
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    touch("d/a.png", "d/sub/b.png")
    monkeypatch.setattr(os, "scandir", locked)
    fine, failed = find_inputs(Selection(["d"], recursive=True)).files
    assert (str(fine.path), fine.error) == ("d/a.png", None)
    assert str(failed.error) == "d/sub: cannot be searched: Permission denied"


def test_where_outputs_go_no_inputs_are_looked_for(folder):
    touch("d/a.png", "d/out/b.png", "d/sub/out/c.png")
    assert found("d", recursive=True, without="d/out") == ["d/a.png", "d/sub/out/c.png"]
    assert found("d", recursive=True, without=str(folder / "d" / "sub" / ".." / "out")) == [
        "d/a.png",
        "d/sub/out/c.png",
    ]
    assert found("d/out", recursive=True, without="d/out") == ["d/out/b.png"]  # which is named


# --- patterns ---


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        ([], [], ["a.png", "b.jpg", "masks/a.png", "sub/a.png", "sub/masks/m.png"]),
        (["*.png"], [], ["a.png", "masks/a.png", "sub/a.png", "sub/masks/m.png"]),
        (["*.png", "*.jpg"], ["a*"], ["b.jpg", "sub/masks/m.png"]),
        (["[ab].*"], ["sub"], ["a.png", "b.jpg", "masks/a.png"]),
        ([], ["masks"], ["a.png", "b.jpg", "sub/a.png"]),
        ([], ["m*"], ["a.png", "b.jpg", "sub/a.png"]),
        ([], ["sub/masks"], ["a.png", "b.jpg", "masks/a.png", "sub/a.png"]),
        (["sub/*"], [], ["sub/a.png"]),
        (["d/*.png"], [], ["a.png"]),
        (["*.PNG"], [], []),
        (["?.jpg"], ["*"], []),
    ],
)
def test_include_and_exclude(include, exclude, expected):
    touch("d/a.png", "d/b.jpg", "d/masks/a.png", "d/sub/a.png", "d/sub/masks/m.png")
    names = found("d", recursive=True, include=include, exclude=exclude)
    assert names == [f"d/{name}" for name in expected]


def test_include_and_exclude_speak_of_all_inputs():
    """As a shell that expands a pattern names every file."""
    touch("a.png", "a_mask.png", "b.png")
    assert found("a.png", "a_mask.png", "b.png", exclude=["*_mask.png"]) == ["a.png", "b.png"]
    assert found("*.png", include=["a*"]) == ["a.png", "a_mask.png"]


@pytest.mark.parametrize("patterns", [{"include": [""]}, {"exclude": ["a", ""]}])
def test_an_empty_pattern(patterns):
    touch("d/a.png")
    with pytest.raises(RequestError, match="--include, --exclude: a pattern is empty"):
        found("d", recursive=True, **patterns)


# --- each file once ---


def test_each_file_is_taken_once_however_it_is_spelt(folder):
    touch("d/a.png", "d/b.png", "d/c.hdr", "d/c.img")
    (folder / "link").symlink_to("d")
    names = (
        "d/b.png",
        "./d/b.png",
        "link/b.png",
        str(folder / "d" / "b.png"),
        "d/../d/b.png",
        "d",
        "d/*.png",
        "d/c.img",
    )
    assert found(*names, recursive=True) == ["d/b.png", "d/a.png", "d/c.hdr"]


def test_a_link_to_a_file_is_another_file(folder):
    touch("a.png")
    (folder / "b.png").symlink_to("a.png")
    assert found("a.png", "b.png") == ["a.png", "b.png"]


# --- known suffixes ---

NOT_LOOKED_FOR = {  # of formats that Pillow knows by name alone, or reads through other programs
    *(".bufr", ".grib", ".h5", ".hdf", ".iim", ".mpg", ".mpeg", ".eps", ".ps", ".wmf", ".emf", ".gbr"),
}


def test_every_suffix_that_pillow_reads_is_known():
    Image.init()
    readable = {suffix for suffix, name in Image.registered_extensions().items() if name in Image.OPEN}
    assert readable - set(SUFFIXES) <= NOT_LOOKED_FOR


# --- lists ---


@pytest.mark.parametrize(
    ("content", "names"),
    [
        (b"", []),
        (b"a.png\nb c.png\n", ["a.png", "b c.png"]),
        (b"a.png\n\nb.png", ["a.png", "b.png"]),
        (b"a.png\0b\nc.png\0", ["a.png", "b\nc.png"]),
        (b"-\n*.png\n  x.png \n", ["-", "*.png", "  x.png "]),
        (b"\xff.png\n", [os.fsdecode(b"\xff.png")]),
    ],
)
def test_lists_of_names(folder, content, names):
    (folder / "list").write_bytes(content)
    assert read_list("list") == names


def test_listed_names_are_no_patterns():
    touch("a.png", "b.png")
    assert found(listed=["*.png", "-"]) == ["*.png", "-"]


def test_a_list_that_is_not_there():
    with pytest.raises(InputError, match=r"^none: --files-from: cannot be read: No such file"):
        read_list("none")


@pytest.mark.parametrize(
    "names",
    [[], ["a.png"], ["a.png", "-b c.png"], ["new\nline.png", "b.png"], [os.fsdecode(b"\xff\xfe.png"), "'\"*.png"]],
    ids=ascii,
)
def test_a_list_of_failures_is_read_again(folder, names):
    (folder / "failed").write_text("./fine.png\n")
    with FailedList("failed", ["fine.png", *names]) as failed:
        failed.add(Result(Path("fine.png"), Path("out.png"), "done"))
        for number, name in reversed(list(enumerate(names))[:-1]):  # as they may end; the last one is not reached
            failed.add(Result(Path(name), None, "failed", number + 1))
        assert (folder / "failed").read_text() == "./fine.png\n"
    assert read_list("failed") == names
    assert [path.name for path in folder.iterdir()] == ["failed"]


def test_a_list_of_failures_replaces_no_other_file(folder):
    (folder / "notes").write_text("precious")
    with pytest.raises(OutputError, match=r"^notes: --failed-to: exists and is not a list"), FailedList("notes", []):
        pass
    assert (folder / "notes").read_text() == "precious"
    with FailedList("notes", [], overwrite=True):
        pass
    assert (folder / "notes").read_bytes() == b""


# --- the directories of listed files ---


def subdirs(*listed, base=None):
    return [file.subdir for file in find_inputs(Selection((), listed, base)).files]


@pytest.mark.parametrize(
    ("listed", "base", "expected"),
    [
        (["d/a/x.png", "d/b/y.png"], None, ["a", "b"]),
        (["d/a/x.png", "d/a/y.png"], None, ["", ""]),
        (["d/a/x.png"], None, [""]),
        (["x.png", "d/a/y.png"], None, ["", "d/a"]),
        (["d/a/x.png", "d/b/y.png"], ".", ["d/a", "d/b"]),
        (["d/a/x.png"], "d", ["a"]),
        (["d/./a/x.png"], None, ["a"]),
        (["d/./x.png", "e/f/./a/b/y.png"], None, ["", "a/b"]),
        (["d/./a/x.png"], ".", ["d/a"]),
    ],
)
def test_listed_files_have_directories_below_a_base(folder, listed, base, expected):
    assert subdirs(*listed, base=base) == expected


def test_a_listed_file_must_lie_below_the_base(folder):
    with pytest.raises(RequestError, match=r"^--base d: is not a directory above e/x\.png$"):
        subdirs("d/a.png", "e/x.png", base="d")


@pytest.mark.parametrize(
    ("path", "subdir", "name"),
    [
        ("x.png", "", "x.png"),
        ("d/x.png", "", "d/./x.png"),
        ("d/a/b/x.png", "a/b", "d/./a/b/x.png"),
        ("a/x.png", "a", "././a/x.png"),
        ("/d/a/x.png", "a", "/d/./a/x.png"),
        ("/x.png", "", "/./x.png"),
    ],
)
def test_a_listed_name_keeps_the_directory_that_was_searched(path, subdir, name):
    assert listed_name(Path(path), subdir) == name
    assert Path(name) == Path(path)
    assert subdirs(name) == [subdir]
