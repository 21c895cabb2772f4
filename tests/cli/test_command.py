"""The command through Click's runner: what every option does, what people and programs read, and every refusal."""

import contextlib
import gc
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import click
import nibabel as nib
import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from PIL import Image

import upsample_cli
from upsample_cli.cli.command import main
from upsample_cli.cli.help import EXAMPLES
from upsample_cli.core.kernel import describe

SAMPLES = Path(__file__).parents[2] / "sample_data"
NOBODY = 65_534
ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
BYTES = re.compile(r"\d+(\.\d+)? (bytes|[kMGTPE]B)")
OF_EVERY_FAMILY = ("icon.png", "stack_plain.tif", "stack_ome.ome.tif", "labels.nii.gz", "fmri.nii", "signal.npy")


def listing(folder):
    """Everything below a folder, hidden files too: the bytes of each file, the target of each link."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        found[name] = str(path.readlink()) if path.is_symlink() else None if path.is_dir() else path.read_bytes()
    return found


@contextlib.contextmanager
def not_as_root():
    """As somebody whom permissions stop."""
    if not ROOT:
        yield
        return
    try:
        os.seteuid(NOBODY)
    except OSError:
        pytest.skip("root cannot be put off")
    try:
        yield
    finally:
        os.seteuid(0)


def invoke(*arguments):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    result.exception = result.exc_info = None  # whose frames would keep files open until a later test
    return result


def run(*arguments, code=0):
    result = invoke(*arguments)
    assert result.exit_code == code, result.output
    return result


def refuse(*arguments, code, says=()):
    """Run what must be refused: one clear line, the right code, and everything on disk as it was before."""
    before = listing(Path.cwd())
    result = run(*arguments, code=code)
    errors = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1, result.stderr
    assert "Traceback" not in result.output
    assert "bug" not in result.output
    assert result.stdout == ""
    assert listing(Path.cwd()) == before
    for words in [says] if isinstance(says, str) else says:
        assert words in errors[0]
    return errors[0]


def size_of(path):
    """The size as an independent reader sees it: width first for pictures and NIfTI, the array's shape for others."""
    name = str(path).lower()
    if name.endswith((".nii", ".nii.gz", ".hdr", ".img")):
        return nib.load(path).shape
    if name.endswith((".tif", ".tiff")):
        return tifffile.imread(path).shape
    if name.endswith(".npy"):
        return np.load(path).shape
    with Image.open(path) as image:
        return image.size


def ramp(*shape, dtype="float32"):
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


@pytest.fixture
def collected():
    """Lets no file that a refusal left open trouble a later test."""
    yield
    gc.collect()


def ignore_unclosed(test):
    """Decorate a test that is not about files that stay open; one that is has its own."""
    test = pytest.mark.usefixtures("collected")(test)
    test = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")(test)
    return pytest.mark.filterwarnings("ignore::ResourceWarning")(test)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty working directory of its own; the command's handler of SIGTERM does not outlive the test."""
    monkeypatch.chdir(tmp_path)
    before = signal.getsignal(signal.SIGTERM)
    yield tmp_path
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def sample(folder):
    def copy(name, to=None):
        target = folder / (to or name)
        target.write_bytes((SAMPLES / name).read_bytes())
        return target.name

    return copy


# --- what people and programs read ---


def test_version():
    assert run("--version").stdout == f"upsample, version {upsample_cli.__version__}\nkernel: {describe()}\n"


def test_a_kernel_that_is_not_there(folder):
    """It is asked for by the environment, which a process reads once."""
    env = {"UPSAMPLE_KERNEL": "abacus", "PYTHONPATH": str(Path(upsample_cli.__file__).parents[1])}
    for arguments, code in ((["x.npy", "--scale", "2"], 2), (["--version"], 0)):
        command = [sys.executable, "-m", "upsample_cli", *arguments]
        result = subprocess.run(command, env=os.environ | env, capture_output=True, text=True, check=False, cwd=folder)
        assert (result.returncode, result.stdout.count("\n")) == (code, 0 if code else 2)
        assert "UPSAMPLE_KERNEL=abacus: not available here; choose from " in result.stdout + result.stderr


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_has_its_options_under_headings(option):
    text = run(option).stdout
    headings = ["Size (exactly one):", "Sampling:", "Inputs:", "Outputs:", "Running:", "Comparing:", "Messages:"]
    headings += ["Examples:", "Exit codes:"]
    assert all(heading in text for heading in headings)
    order = [text.index(heading) for heading in headings]
    assert order == sorted(order)
    size, sampling = order[0], order[1]
    for target in ("--scale", "--size", "--spacing", "--fit", "--like"):
        assert size < text.index(f"  {target} ") < sampling
    assert max(map(len, text.splitlines())) <= 100


def test_help_explains_every_option():
    with click.Context(main) as context:
        for parameter in main.get_params(context):
            if isinstance(parameter, click.Option):
                assert parameter.help, parameter.name
                assert parameter.opts[0] in run("--help").stdout


def test_every_example_of_the_help_is_a_valid_command(folder):
    for name in ("small", "out"):
        (folder / name).mkdir()
    lines = [line.strip() for line in run("--help").stdout.splitlines() if line.startswith("    upsample ")]
    assert len(lines) == len(EXAMPLES)
    for line in lines:
        refuse(*shlex.split(line.partition(" <")[0])[1:], code=3)  # nothing is wrong but that the files are not here


def test_the_summary_is_one_line_on_stderr(sample):
    result = run(sample("icon.png"), "--scale", 2)
    assert result.stdout == ""
    line = r"icon\.png → icon_upsampled\.png: 64×64( s4)? → 128×128( s4)?, uint8, bilinear, \d+\.\d\d s\n"
    assert re.fullmatch(line, result.stderr)


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("labels.nii.gz", ["--scale", 2], "48×56×32 → 96×112×64, uint8, nearest,"),
        ("fmri.nii", ["--scale", 2], "20×24×14 t6 → 40×48×28 t6, int16, trilinear,"),
        ("stack_imagej.tif", ["--scale", "z=2"], "64×48×6 t2 c2 → 64×48×12 t2 c2, uint16, linear,"),
        ("signal.npy", ["--size", 300, "--align-corners"], "200 → 300, float64, linear"),
        ("depth16.png", ["--scale", 2, "--mode", "nearest-exact"], "128×96 → 256×192, uint16, nearest-exact,"),
    ],
)
def test_the_summary_says_what_was_done(sample, name, options, says):
    assert says in run(sample(name), *options).stderr


def test_quiet_says_nothing(sample):
    for name in ("icon.png", "palette.png"):  # the latter has something to warn of
        assert run(sample(name), "--scale", 2, "-q").output == ""
    assert run(sample("icon.png"), "--scale", 2, "--quiet", "--overwrite").output == ""


def test_quiet_keeps_errors_and_plans(sample):
    refuse("none.png", "--scale", 2, "-q", code=3)
    result = run(sample("icon.png"), "--scale", 2, "-q", "--dry-run")
    assert "64 → 128" in result.stdout
    assert result.stderr == ""


@pytest.mark.parametrize("option", ["-v", "--verbose"])
def test_verbose_adds_the_plan_on_stderr(sample, option):
    result = run(sample("icon.png"), "--scale", 2, option)
    assert result.stdout == ""
    for words in ("64 → 128", "computed in float32", "memory", "output"):
        assert words in result.stderr


def test_a_warning_says_what_is_lost_and_of_which_file(sample):
    lines = run(sample("palette.png"), "--scale", 2).stderr.splitlines()
    assert [line for line in lines if line.startswith("Warning: palette.png: ")]


@pytest.mark.parametrize("name", OF_EVERY_FAMILY)
def test_dry_run_prints_the_plan_on_stdout_and_touches_nothing(folder, sample, name):
    sample(name)
    before, times = listing(folder), [path.stat().st_mtime_ns for path in (folder, folder / name)]
    result = run(name, "--scale", 2, "--dry-run")
    assert result.stdout.startswith(f"{name} → ")
    for words in ("samples", "mode", "output", "memory"):
        assert f"\n  {words} " in result.stdout
    assert BYTES.search(result.stdout)
    assert listing(folder) == before
    assert [path.stat().st_mtime_ns for path in (folder, folder / name)] == times


def test_dry_run_tells_the_sizes_and_spacing_that_come_out(sample):
    plan = run(sample("brain.nii.gz"), "--spacing", "2", "--dry-run").stdout
    run("brain.nii.gz", "--spacing", "2")
    image = nib.load("brain_upsampled.nii.gz")
    for name, size, spacing in zip("xyz", image.shape, image.header.get_zooms(), strict=True):
        assert re.search(rf"axis {name} +\d+ → {size}, spacing [\d.]+ → {spacing:.6g} mm\n", plan)


def test_dry_run_refuses_what_a_run_refuses(sample):
    refuse(sample("icon.png"), "--scale", 2, "-o", "icon.jpg", "--dry-run", code=4)
    refuse("icon.png", "--scale", 2, "--mode", "trilinear", "--dry-run", code=2)
    refuse("icon.png", "--scale", 2, "-o", "icon.png", "--dry-run", code=2)


def test_several_files_are_counted(sample):
    sample("icon.png")
    result = run("icon.png", sample("signal.npy"), "--scale", 2)
    assert result.stderr.splitlines()[-1] == "2 done, 0 skipped, 0 failed"
    result = run("icon.png", "signal.npy", "--scale", 2, "--skip-existing")
    assert result.stderr.splitlines()[-1] == "0 done, 2 skipped, 0 failed"
    result = run("icon.png", "signal.npy", "--scale", 2, "--overwrite", "--dry-run")
    assert result.stderr.splitlines()[-1] == "2 planned, 0 skipped, 0 failed"


# --- sizes ---

PICTURE = [  # of 64×64, or where DPI are needed of 128×96 at 300 dpi
    ("icon.png", ["--scale", "2"], (128, 128)),
    ("icon.png", ["--scale", "2.5,0.5"], (160, 32)),
    ("icon.png", ["--scale", "x=2"], (128, 64)),
    ("icon.png", ["--scale", "y=3,x=2"], (128, 192)),
    ("icon.png", ["--scale=1.99"], (127, 127)),
    ("icon.png", ["--size", "100x50"], (100, 50)),
    ("icon.png", ["--size", "100,50"], (100, 50)),
    ("icon.png", ["--size", "100×50"], (100, 50)),
    ("icon.png", ["--size", "70"], (70, 70)),
    ("icon.png", ["--size", "y=7"], (64, 7)),
    ("icon.png", ["--fit", "200x100"], (100, 100)),
    ("icon.png", ["--fit", "y=32"], (32, 32)),
    ("icon.png", ["--like", "depth16.png"], (128, 96)),
    ("depth16.png", ["--fit", "1000"], (1000, 750)),
    ("depth16.png", ["--fit", "64x64"], (64, 48)),
    ("depth16.png", ["--spacing", "0.0423334"], (256, 192)),
    ("depth16.png", ["--spacing", "0.0423334,0.0846668"], (256, 96)),
    ("depth16.png", ["--spacing", "y=0.0423334"], (128, 192)),
]
STACK = [  # t z c y x = 2 6 2 48 64, spaced 0.5 µm along z and 0.2 µm along y and x
    ("stack_imagej.tif", ["--scale", "2"], (2, 12, 2, 96, 128)),
    ("stack_imagej.tif", ["--scale", "2,1,3"], (2, 18, 2, 48, 128)),
    ("stack_imagej.tif", ["--scale", "z=2,y=0.5"], (2, 12, 2, 24, 64)),
    ("stack_imagej.tif", ["--scale", "t=2"], (4, 6, 2, 48, 64)),
    ("stack_imagej.tif", ["--size", "32x24x3"], (2, 3, 2, 24, 32)),
    ("stack_imagej.tif", ["--size", "z=7"], (2, 7, 2, 48, 64)),
    ("stack_imagej.tif", ["--spacing", "0.1"], (2, 30, 2, 96, 128)),
    ("stack_imagej.tif", ["--spacing", "0.1,0.2,0.25"], (2, 12, 2, 48, 128)),
    ("stack_imagej.tif", ["--spacing", "z=0.2"], (2, 15, 2, 48, 64)),
    ("stack_imagej.tif", ["--fit", "128x128x12"], (2, 12, 2, 96, 128)),
    ("stack_imagej.tif", ["--like", "stack_ome.ome.tif"], (2, 8, 2, 40, 56)),
    ("stack_ome.ome.tif", ["--scale", "2"], (2, 16, 80, 112)),
    ("stack_ome.ome.tif", ["--spacing", "0.5"], (2, 16, 20, 28)),
    ("stack_plain.tif", ["--scale", "z=2"], (10, 40, 50)),
    ("stack_plain.tif", ["--size", "25x20x5"], (5, 20, 25)),
]
VOLUME = [  # x y z = 48 56 32, spaced 3.5 3.5 5.5 mm; the series x y z t = 20 24 14 6
    ("brain.nii.gz", ["--scale", "2"], (96, 112, 64)),
    ("brain.nii.gz", ["--scale", "1,2,0.5"], (48, 112, 16)),
    ("brain.nii.gz", ["--scale", "z=2"], (48, 56, 64)),
    ("brain.nii.gz", ["--size", "10x20x30"], (10, 20, 30)),
    ("brain.nii.gz", ["--size", "x=96"], (96, 56, 32)),
    ("brain.nii.gz", ["--spacing", "3.5"], (48, 56, 50)),
    ("brain.nii.gz", ["--spacing", "7,3.5,11"], (24, 56, 16)),
    ("brain.nii.gz", ["--spacing", "z=2.75"], (48, 56, 64)),
    ("brain.nii.gz", ["--fit", "96x96x96"], (82, 96, 55)),
    ("brain.nii.gz", ["--like", "fmri.nii"], (20, 24, 14)),
    ("fmri.nii", ["--scale", "2"], (40, 48, 28, 6)),
    ("fmri.nii", ["--scale", "t=2"], (20, 24, 14, 12)),
    ("fmri.nii", ["--like", "brain.nii.gz"], (48, 56, 32, 6)),
]
ARRAY = [
    ("signal.npy", ["--scale", "2"], (400,)),
    ("signal.npy", ["--size", "x=1000"], (1000,)),
    ("signal.npy", ["--size", "7"], (7,)),
    ("signal.npy", ["--fit", "50"], (50,)),
    ("signal.npy", ["--like", "stack_plain.tif"], (50,)),
]


@pytest.mark.parametrize(
    ("name", "options", "size"),
    PICTURE + STACK + VOLUME + ARRAY,
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_sizes(sample, name, options, size):
    sample(name)
    if options[0] == "--like":
        options = ["--like", SAMPLES / options[1]]
    ext = next(ext for ext in (".ome.tif", ".tif", ".nii.gz", ".nii", ".npy", ".png") if name.endswith(ext))
    run(name, *options, "-o", f"out{ext}")
    assert size_of(f"out{ext}") == size


def test_arrays_are_t_c_z_y_x_unless_they_are_named():
    np.save("four.npy", ramp(2, 3, 4, 5))
    for axes, shape in [
        (None, (2, 6, 8, 10)),
        ("tzyx", (2, 6, 8, 10)),
        ("zcyx", (4, 3, 8, 10)),
        ("zyxs", (4, 6, 8, 5)),
    ]:
        run("four.npy", "--scale", 2, *(["--axes", axes] if axes else []), "--overwrite")
        assert np.load("four_upsampled.npy").shape == shape
    np.save("five.npy", ramp(2, 2, 3, 4, 5))
    run("five.npy", "--scale", "c=2,t=3", "--axes", "tczyx")
    assert np.load("five_upsampled.npy").shape == (6, 4, 3, 4, 5)


def test_axes_name_the_pages_of_a_stack(sample):
    run(sample("stack_plain.tif"), "--scale", 2, "--axes", "tyx", "-o", "time.tif")
    assert size_of("time.tif") == (5, 80, 100)


def test_axes_of_a_file_that_names_its_own_are_ignored_with_a_warning(sample):
    assert "Warning: fmri.nii: --axes" in run(sample("fmri.nii"), "--scale", 2, "--axes", "tzyx").stderr
    assert size_of("fmri_upsampled.nii") == (40, 48, 28, 6)


# --- modes, by values that can be worked out by hand ---


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--scale", 2], [0, 1, 3, 4]),
        (["--scale", 2, "--no-align-corners"], [0, 1, 3, 4]),
        (["--size", 3, "--align-corners"], [0, 2, 4]),
        (["--size", 5, "--align-corners"], [0, 1, 2, 3, 4]),
        (["--scale", 2, "--mode", "linear"], [0, 1, 3, 4]),
        (["--scale", 2, "--mode", "nearest"], [0, 0, 4, 4]),
        (["--size", 3, "--mode", "nearest"], [0, 0, 4]),
        (["--size", 3, "--mode", "nearest-exact"], [0, 4, 4]),
    ],
)
def test_two_samples(options, expected):
    np.save("in.npy", np.array([0.0, 4.0]))
    run("in.npy", *options)
    np.testing.assert_allclose(np.load("in_upsampled.npy"), expected, rtol=0, atol=1e-15)


@pytest.mark.parametrize(
    ("options", "a"), [([], 1 / 1.3), (["--recompute-scale-factor"], 4 / 5)], ids=["given", "recomputed"]
)
def test_recompute_scale_factor(options, a):
    np.save("in.npy", np.arange(4.0))
    run("in.npy", "--scale", 1.3, *options)
    positions = a * (np.arange(5) + 0.5) - 0.5
    np.testing.assert_allclose(np.load("in_upsampled.npy"), np.clip(positions, 0, 3), rtol=0, atol=1e-14)


@pytest.mark.parametrize(("shape", "mode"), [((3, 4), "bilinear"), ((3, 4, 5), "trilinear")])
def test_modes_that_name_the_number_of_axes_are_linear(shape, mode):
    np.save("in.npy", ramp(*shape))
    run("in.npy", "--scale", 2, "-o", "linear.npy")
    run("in.npy", "--scale", 2, "--mode", mode, "-o", "named.npy")
    assert Path("named.npy").read_bytes() == Path("linear.npy").read_bytes()


def test_bilinear_fits_a_volume_of_which_two_axes_are_resized():
    np.save("in.npy", ramp(2, 3, 4))
    for number, scale in enumerate(("x=2,y=2", "2,2,1")):
        run("in.npy", "--scale", scale, "--mode", "bilinear", "-o", f"{number}.npy")
        assert np.load(f"{number}.npy").shape == (2, 6, 8)


@pytest.mark.parametrize(
    ("shape", "mode", "remedy"),
    [((4,), "bilinear", "linear"), ((4, 4), "trilinear", "bilinear"), ((4, 4, 4), "bilinear", "trilinear")],
)
def test_a_mode_that_does_not_fit_the_axes_says_which_would(shape, mode, remedy):
    np.save("in.npy", ramp(*shape))
    error = refuse("in.npy", "--scale", 2, "--mode", mode, code=2, says=("in.npy", repr(mode)))
    assert repr(remedy) in error.split("use ")[1]


def test_colours_are_weighted_by_alpha_unless_that_is_declined():
    Image.fromarray(np.array([[[255, 0, 0, 255], [0, 255, 0, 0]]], np.uint8)).save("in.png")
    run("in.png", "--scale", "4,1", "-o", "weighted.png")
    run("in.png", "--scale", "4,1", "--no-premultiply", "-o", "plain.png")
    weighted, plain = (np.asarray(Image.open(name))[0].astype(int) for name in ("weighted.png", "plain.png"))
    assert np.array_equal(weighted[:, 3], plain[:, 3])
    visible = weighted[:, 3] > 0
    assert visible.sum() > 4
    assert np.array_equal(weighted[visible, :3], np.broadcast_to([255, 0, 0], (visible.sum(), 3)))
    fractions = np.clip((np.arange(8) + 0.5) / 4 - 0.5, 0, 1)
    assert np.abs(plain[:, 1] - 255 * fractions).max() <= 0.5


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "linear"])
@pytest.mark.parametrize("name", OF_EVERY_FAMILY)
def test_every_mode_on_every_family(sample, name, mode):
    run(sample(name), "--scale", 2, "--mode", mode, "-o", "out{ext}")
    (out,) = Path().glob("out*")
    before, after = size_of(name), size_of(out)
    assert all(new in (old, 2 * old) for old, new in zip(before, after, strict=True))
    assert after != before


# --- where the output goes ---


@pytest.mark.parametrize("name", [*OF_EVERY_FAMILY, "cat.jpg"])
def test_the_default_name_keeps_the_whole_suffix(folder, sample, name):
    suffix = next(ext for ext in (".ome.tif", ".nii.gz", Path(name).suffix) if name.endswith(ext))
    (folder / "sub").mkdir()
    copy = sample(name, f"sub/{name}")
    assert copy == name
    run(f"sub/{name}", "--scale", 2)
    assert sorted(p.name for p in (folder / "sub").iterdir()) == sorted(
        [name, f"{name.removesuffix(suffix)}_upsampled{suffix}"]
    )


@pytest.mark.parametrize("name", ["SHOUT.PNG", "Mixed.Png"])
def test_suffixes_may_be_in_capitals(sample, name):
    run(sample("icon.png", name), "--scale", 2)
    assert size_of(f"{Path(name).stem}_upsampled{Path(name).suffix}") == (128, 128)


@pytest.mark.parametrize(("name", "to"), [("labels.nii.gz", "L.NII.GZ"), ("stack_plain.tif", "S.TIFF")])
def test_suffixes_of_volumes_may_be_in_capitals(folder, sample, name, to):
    run(sample(name, to), "--scale", 2)
    stem, ext = to.split(".", 1)
    written = folder / f"{stem}_upsampled.{ext}"
    readable = written.rename(folder / f"readable.{ext.lower()}")  # nibabel and tifffile go by the name
    assert size_of(readable)[0] == 2 * size_of(SAMPLES / name)[0]


@pytest.mark.parametrize("output", ["out", "out/", "./out/"])
def test_into_a_directory(folder, sample, output):
    (folder / "out").mkdir()
    run(sample("icon.png"), sample("labels.nii.gz"), "--scale", 2, "-o", output)
    assert sorted(p.name for p in (folder / "out").iterdir()) == ["icon.png", "labels.nii.gz"]
    assert size_of(folder / "out" / "icon.png") == (128, 128)


def test_to_another_format(sample):
    run(sample("depth16.png"), "--scale", 2, "-o", "deep.tif")
    run("depth16.png", "--scale", 2, "-o", "deep.npy")
    run("deep.npy", "--scale", "1", "-o", "deep.png")
    run("deep.npy", "--scale", "1", "-o", "deep.nii")
    expected = np.load("deep.npy")
    assert expected.shape == (192, 256)
    assert expected.dtype == np.uint16
    assert np.array_equal(tifffile.imread("deep.tif"), expected)
    assert np.array_equal(np.asarray(Image.open("deep.png")), expected)
    assert np.array_equal(np.asarray(nib.load("deep.nii").dataobj).T, expected)


@pytest.mark.parametrize(
    ("template", "written"),
    [
        ("{stem}-new{ext}", "brain-new.nii.gz"),
        ("{parent}/{stem}-new{ext}", "in/brain-new.nii.gz"),
        ("out/{stem}{ext}", "out/brain.nii.gz"),
        ("{size}.nii", "96x28x32.nii"),
        ("{scale}.nii", "2x0.5x1.nii"),
        ("{mode}.nii", "nearest.nii"),
        ("out/{parent}_{stem}_{size}_{scale}_{mode}{ext}", "out/in_brain_96x28x32_2x0.5x1_nearest.nii.gz"),
        ("{{{stem}}}.nii", "{brain}.nii"),
    ],
)
def test_templates(folder, sample, template, written):
    for name in ("in", "out"):
        (folder / name).mkdir()
    sample("brain.nii.gz", "in/brain.nii.gz")
    before = set(listing(folder))
    run("in/brain.nii.gz", "--scale", "2,0.5,1", "--mode", "nearest", "-o", template)
    assert set(listing(folder)) - before == {written}


def test_the_scale_of_a_template_is_one_number_where_all_factors_are_one(folder, sample):
    run(sample("icon.png"), "--size", "96x96", "-o", "{stem}@{scale}.png")
    assert size_of("icon@1.5.png") == (96, 96)


@pytest.mark.parametrize(
    "template",
    ["{nonsense}.png", "{stem", "{}.png", "{0}.png", "{stem:d}.png", "{stem!z}.png", "stem}{.png"],
)
def test_a_template_with_bad_fields_says_which_are_good(sample, template):
    refuse(sample("icon.png"), "--scale", 2, "-o", template, code=2, says=("--output", "{stem}", "{mode}"))


@pytest.mark.parametrize("template", ["{stem.nonsense}.png", "{stem[nonsense]}.png"])
def test_a_template_that_looks_into_a_field_is_refused(sample, template):
    refuse(sample("icon.png"), "--scale", 2, "-o", template, code=2, says="--output")


def test_quoted_patterns_are_expanded(folder, sample):
    (folder / "sub").mkdir()
    for name in ("b.npy", "a.npy", "sub/c.npy"):
        sample("signal.npy", name)
    run("*.npy", "--scale", 2)
    assert {"a_upsampled.npy", "b_upsampled.npy"} < set(listing(folder))
    assert "sub/c_upsampled.npy" not in listing(folder)
    run("**/c.npy", "--scale", 2)
    assert "sub/c_upsampled.npy" in listing(folder)


def test_a_name_with_magic_characters_is_a_name_first(folder, sample):
    run(sample("signal.npy", "[ab]*.npy"), sample("signal.npy", "a.npy"), "--scale", 2)
    assert "[ab]*_upsampled.npy" in listing(folder)


def test_a_link_as_input_or_output_survives(folder, sample):
    sample("icon.png")
    (folder / "link.png").symlink_to("icon.png")
    run("link.png", "--scale", 2)
    assert (folder / "link.png").is_symlink()
    assert size_of("link_upsampled.png") == (128, 128)
    (folder / "other.png").symlink_to("link_upsampled.png")
    run("icon.png", "--scale", 3, "-o", "other.png", "--overwrite")
    assert (folder / "other.png").is_symlink()
    assert size_of("link_upsampled.png") == (192, 192)


@pytest.mark.parametrize("name", OF_EVERY_FAMILY)
def test_an_existing_output_is_refused_replaced_or_skipped(folder, sample, name):
    run(sample(name), "--scale", 2, "-o", "out{ext}")
    (out,) = folder.glob("out*")
    right = out.read_bytes()
    out.write_bytes(b"precious")
    refuse(name, "--scale", 2, "-o", out.name, code=4, says=(out.name, "exists", "--overwrite", "--skip-existing"))
    result = run(name, "--scale", 2, "-o", out.name, "--skip-existing")
    assert result.stderr == f"{out.name} exists: skipped\n"
    assert out.read_bytes() == b"precious"
    run(name, "--scale", 2, "-o", out.name, "--overwrite", "--dry-run")
    assert out.read_bytes() == b"precious"
    run(name, "--scale", 2, "-o", out.name, "--overwrite")
    assert out.read_bytes() == right
    run(name, "--scale", 2, "-o", out.name, "--overwrite")
    assert out.read_bytes() == right


@ignore_unclosed
def test_a_failed_overwrite_keeps_the_old_file(folder, sample):
    (folder / "cut.png").write_bytes((SAMPLES / "icon.png").read_bytes()[:1000])
    (folder / "out.png").write_bytes(b"precious")
    refuse("cut.png", "--scale", 2, "-o", "out.png", "--overwrite", code=3, says="cut.png")


# --- refusals: inputs ---


@pytest.mark.parametrize("name", ["none.png", "none.tif", "none.nii", "none.nii.gz", "none.hdr", "none.npy", "none"])
def test_missing(name):
    refuse(name, "--scale", 2, code=3, says=(name, "does not exist"))


def test_a_pattern_that_matches_nothing():
    refuse("*.png", "--scale", 2, code=3, says="*.png")


@pytest.mark.parametrize("name", ["e.png", "e.tif", "e.nii", "e.nii.gz", "e.hdr", "e.npy", "e"])
def test_empty(folder, name):
    (folder / name).touch()
    refuse(name, "--scale", 2, code=3, says=(name, "empty"))


@pytest.mark.parametrize("ext", [".png", ".tif", ".ome.tif", ".nii", ".nii.gz", ".hdr", ".npy", ".txt", ""])
@pytest.mark.parametrize("content", [b"\0", b"not what the suffix says\n" * 100, bytes(1000), b"P5 but no number"])
def test_unsupported(folder, ext, content):
    (folder / f"file{ext}").write_bytes(content)
    refuse(f"file{ext}", "--scale", 2, code=3, says=f"file{ext}: ")


@pytest.mark.parametrize("magic", [b"II*\0", b"MM\0*", b"II+\0\x08\0\0\0", b"\x93NUMPY", b"\x93NUMPY\x01\0\xff\xff"])
def test_a_right_beginning_and_nothing_right_after_it(folder, magic):
    (folder / "file.bin").write_bytes(magic + b"\xff" * 300)
    refuse("file.bin", "--scale", 2, code=3, says="file.bin")


def test_an_archive_of_arrays_is_no_array():
    np.savez("arrays.npz", a=ramp(3))
    refuse("arrays.npz", "--scale", 2, code=3, says="arrays.npz")


@ignore_unclosed
@pytest.mark.parametrize("whole", [True, False], ids=["whole", "broken"])
def test_an_archive_of_arrays_in_disguise(folder, whole):
    np.savez("arrays.npz", a=ramp(3))
    (folder / "arrays.npz").rename("arrays.npy")
    if not whole:
        (folder / "arrays.npy").write_bytes(b"PK\3\4" + bytes(400))
    refuse("arrays.npy", "--scale", 2, code=3, says="arrays.npy")


@pytest.mark.parametrize(
    "array",
    [
        np.array(["a", "b"]),
        np.array([b"a", b"b"]),
        np.array([None, 1], object),
        np.zeros(3, [("a", "f4"), ("b", "i2")]),
        np.zeros(3, "datetime64[s]"),
        np.zeros(3, "timedelta64[s]"),
        np.float64(3),
    ],
    ids=lambda array: str(array.dtype),
)
def test_arrays_that_are_no_arrays_of_numbers(array):
    np.save("in.npy", array, allow_pickle=True)
    refuse("in.npy", "--scale", 2, code=3, says="in.npy")


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        *[(shape, options) for shape in ((0,), (3, 0)) for options in ("--scale 2", "--scale x=2", "--size 4")],
        ((0, 3), "--scale 2"),
        ((2, 0, 3), "--size 4"),
        ((0, 3), "--scale x=2"),  # the empty axis is not resized
        ((2, 0, 3), "--scale x=2"),
        ((0,), "--fit 4"),
        ((3, 0), "--fit 4"),
    ],
)
def test_an_axis_without_samples(shape, options):
    np.save("in.npy", np.zeros(shape))
    before = listing(Path.cwd())
    result = invoke("in.npy", *options.split())
    assert result.exit_code in (2, 3), result.output
    assert result.stderr.startswith("Error: in.npy: ")
    assert result.stderr.count("\n") == 1
    assert listing(Path.cwd()) == before


@pytest.mark.parametrize("name", ["folder", "folder.png", "folder.nii.gz"])
def test_a_directory(folder, name):
    (folder / name).mkdir()
    refuse(name, "--scale", 2, code=3, says=(name, "is a directory"))


@pytest.fixture
def public(monkeypatch):
    """A working directory that everybody may enter and write to; pytest's own are private."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        monkeypatch.chdir(name)
        yield Path(name)
        monkeypatch.undo()


@pytest.mark.parametrize("name", OF_EVERY_FAMILY)
def test_unreadable(public, name):
    folder = public
    (folder / name).write_bytes((SAMPLES / name).read_bytes())
    (folder / "warm").mkdir()
    run(name, "--scale", 2, "-o", "warm/")  # imports what there is to import, while everybody may
    before = listing(folder)
    (folder / name).chmod(0)
    try:
        with not_as_root():
            result = run(name, "--scale", 2, code=3)
    finally:
        (folder / name).chmod(0o600)
    assert result.stderr == f"Error: {name}: cannot be opened: Permission denied\n"
    assert listing(folder) == before


def test_a_link_to_nothing(folder):
    (folder / "nothing.png").symlink_to("none.png")
    refuse("nothing.png", "--scale", 2, code=3, says="nothing.png")


def test_a_link_to_itself(folder):
    (folder / "loop.png").symlink_to("loop.png")
    refuse("loop.png", "--scale", 2, code=3, says="loop.png")


def cuts(size):
    """Lengths at which to cut a file: among its first bytes, all along it, and among its last."""
    along = {size * k // 24 for k in range(1, 24)}
    return sorted({1, 2, 3, 4, 6, 8, 9, 12, 20, 33, 64, 100, 200, 347, 348, 352, *along, size - 9, size - 2, size - 1})


@pytest.mark.parametrize(
    "name",
    [
        *["cat_rotated.jpg", "icon.png", "palette.png", "stack_plain.tif", "labels.nii.gz", "fmri.nii", "signal.npy"],
        "stack_imagej.tif",
        "stack_ome.ome.tif",
    ],
)
@ignore_unclosed
def test_truncated(folder, sample, name):
    """Wherever a file is cut it is refused, unless nothing was lost but a mark of its end."""
    data = (SAMPLES / name).read_bytes()
    run(sample(name, f"whole-{name}"), "--scale", 1.5, "--mode", "nearest", "-o", f"out-{name}")
    whole = (folder / f"out-{name}").read_bytes()
    (folder / f"out-{name}").unlink()
    for cut in cuts(len(data)):
        (folder / name).write_bytes(data[:cut])
        before = listing(folder)
        result = invoke(name, "--scale", "1.5", "--mode", "nearest", "-o", f"out-{name}")
        if result.exit_code == 0:
            assert (folder / f"out-{name}").read_bytes() == whole, cut
            (folder / f"out-{name}").unlink()
        else:
            assert result.exit_code == 3, (cut, result.output)
            assert result.stderr.startswith(f"Error: {name}: "), (cut, result.output)
            assert result.stderr.count("\n") == 1, (cut, result.output)
        assert listing(folder) == before


def test_a_damaged_gzip_file_is_not_resized(folder, sample):
    data = bytearray((folder / sample("labels.nii.gz")).read_bytes())
    data[-8] ^= 0xFF  # the checksum of its contents
    (folder / "labels.nii.gz").write_bytes(data)
    refuse("labels.nii.gz", "--scale", 2, code=3, says="labels.nii.gz")


def test_no_file_stays_open_when_it_is_refused(folder):
    (folder / "cut.png").write_bytes((SAMPLES / "icon.png").read_bytes()[:1000])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        refuse("cut.png", "--scale", 2, code=3)
        gc.collect()
    assert [str(warning.message) for warning in caught if warning.category is ResourceWarning] == []


@pytest.mark.parametrize("part", ["hdr", "img"])
def test_half_a_pair(folder, part):
    nib.save(nib.Nifti1Pair(ramp(4, 5, 6, dtype="int16"), np.eye(4)), "pair.hdr")
    other = {"hdr": "img", "img": "hdr"}[part]
    (folder / f"pair.{other}").unlink()
    refuse(f"pair.{part}", "--scale", 2, code=3, says="pair.")


def test_a_truncated_pair(folder):
    nib.save(nib.Nifti1Pair(ramp(4, 5, 6, dtype="int16"), np.eye(4)), "pair.hdr")
    (folder / "pair.img").write_bytes((folder / "pair.img").read_bytes()[:-1])
    for part in ("hdr", "img"):
        refuse(f"pair.{part}", "--scale", 2, code=3, says=("pair.", "truncated"))


# --- refusals: what is asked for ---


@pytest.mark.parametrize("option", ["--scale", "--size", "--spacing", "--fit"])
@pytest.mark.parametrize(
    "value",
    [
        "0",
        "-1",
        "-0.0",
        "nan",
        "inf",
        "-inf",
        "1e999",
        "two",
        "",
        ",",
        "2,",
        "2;2",
        "0x2",
        "x=",
        "=2",
        "x=0",
        "x=nan",
        "xy=2",
        "x=2,3",
    ],
)
def test_numbers_that_are_none(sample, option, value):
    refuse(sample("icon.png"), f"{option}={value}", code=2, says=option)


@pytest.mark.parametrize("option", ["--scale", "--size"])
def test_an_axis_named_twice_in_different_case(sample, option):
    refuse(sample("icon.png"), option, "x=2,X=3", code=2, says=option)


@pytest.mark.parametrize("option", ["--size", "--fit"])
@pytest.mark.parametrize("value", ["1.5", "x=0.5", "100x50.5"])
def test_sizes_that_are_not_whole(sample, option, value):
    refuse(sample("icon.png"), option, value, code=2, says=(option, "whole"))


@pytest.mark.parametrize("option", ["--scale", "--size", "--fit"])
@pytest.mark.parametrize("value", ["2,2,2", "z=2", "t=2", "s=2", "q=2"])
def test_numbers_that_do_not_fit_the_axes(sample, option, value):
    refuse(sample("icon.png"), option, value, code=2, says=("icon.png", option))


def test_exactly_one_target(sample):
    sample("icon.png")
    targets = ("--scale", "--size", "--spacing", "--fit", "--like")
    error = refuse("icon.png", code=2, says="exactly one")
    assert all(target in error for target in targets)
    refuse("icon.png", "--scale", 2, "--size", 3, code=2, says="--scale and --size")
    refuse("icon.png", "--fit", 3, "--like", "icon.png", code=2, says="--fit and --like")


@pytest.mark.parametrize("mode", ["blinear", "LINEAR", "", "nearest_exact"])
def test_unknown_mode(sample, mode):
    error = refuse(sample("icon.png"), "--scale", 2, "--mode", mode, code=2, says=("mode", repr(mode)))
    assert all(name in error for name in ("linear", "bilinear", "trilinear", "nearest", "nearest-exact"))


def test_an_unknown_mode_is_said_once_for_several_files(sample):
    refuse(sample("icon.png"), sample("signal.npy"), "--scale", 2, "--mode", "blinear", code=2, says="mode")


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
def test_align_corners_without_meaning(sample, mode):
    options = ["--scale", 2, "--mode", mode, "--align-corners"]
    refuse(sample("icon.png"), *options, code=2, says=("--align-corners", mode))


@pytest.mark.parametrize("target", [["--size", "9x9"], ["--fit", 9], ["--spacing", 1], ["--like", "depth16.png"]])
def test_recompute_scale_factor_without_meaning(sample, target):
    options = [*target, "--recompute-scale-factor"]
    refuse(sample("depth16.png"), *options, code=2, says=("--recompute-scale-factor", target[0]))


def test_spacing_of_a_file_without_spacing(sample):
    refuse(sample("icon.png"), "--spacing", 1, code=2, says=("icon.png", "--spacing", "--scale or --size"))
    refuse(sample("signal.npy"), "--spacing", "x=1", code=2, says=("signal.npy", "--spacing"))


@pytest.mark.parametrize("axes", ["", "zz", "yxq", "YX", "z,y,x"])
def test_axes_that_are_none(axes):
    np.save("in.npy", ramp(3, 4))
    refuse("in.npy", "--scale", 2, f"--axes={axes}", code=2, says="--axes")


@pytest.mark.parametrize("axes", ["x", "zyx"])
def test_axes_that_do_not_fit_the_array(axes):
    np.save("in.npy", ramp(3, 4))
    before = listing(Path.cwd())
    result = invoke("in.npy", "--scale", "2", "--axes", axes)
    assert result.exit_code in (2, 3)
    assert result.stderr.startswith("Error: in.npy: has 2 axes")
    assert listing(Path.cwd()) == before


def test_more_axes_than_have_names():
    np.save("in.npy", np.zeros((1,) * 6))
    refuse("in.npy", "--scale", 2, code=3, says=("in.npy", "6 axes", "--axes"))
    run("in.npy", "--scale", 2, "--axes", "tczyxs")


def test_like_a_file_that_is_not_there_or_lacks_an_axis(sample):
    refuse(sample("icon.png"), "--like", "none.png", code=3, says=("none.png", "does not exist"))
    refuse("icon.png", "--like", sample("signal.npy"), code=2, says=("signal.npy", "--like", "no axis y"))


@pytest.mark.parametrize("value", ["0.001", "1e-300"])
@pytest.mark.parametrize("name", OF_EVERY_FAMILY)
def test_a_factor_that_leaves_no_sample(sample, name, value):
    refuse(sample(name), "--scale", value, code=2, says=(name, "leaves no sample"))


@pytest.fixture
def little_memory():
    """At most 4 GB more than now, so that what is not refused fails at once."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else 0
    limit = pages * resource.getpagesize() + (4 << 30)
    resource.setrlimit(resource.RLIMIT_AS, (limit, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.parametrize(
    "options",
    [
        ["--size", "1000000x1000000"],
        ["--size", "4294967296x1"],
        ["--size", "4294967297x1"],
        ["--size", "1e30x1e30"],
        ["--scale", "2e4"],
        ["--scale", "1e7"],
        ["--scale", "1e15"],
        ["--spacing", "1e-5"],
        ["--spacing", "1e-300"],
        ["--fit", "1e9"],
        ["--fit", "1e12"],
        ["--fit", "1e300"],
        ["--scale", "1e18"],
        ["--scale", "1e300"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("dry", [[], ["--dry-run"]], ids=["run", "dry"])
@pytest.mark.parametrize("output", ["out.png", "out.tif"])
@pytest.mark.usefixtures("little_memory")
def test_absurd_sizes_are_refused_with_their_bytes(sample, options, dry, output):
    before = listing(Path.cwd())
    sample("depth16.png")
    result = invoke("depth16.png", *options, *dry, "-o", output)
    assert result.exit_code in (2, 4), result.output
    assert result.output.count("\n") == 1
    assert re.match(r"Error: (depth16\.png|out\.\w+): .*need", result.stderr)
    assert BYTES.search(result.stderr)
    assert set(listing(Path.cwd())) - set(before) == {"depth16.png"}


def test_overwrite_and_skip_existing_contradict_each_other(sample):
    refuse(sample("icon.png"), "--scale", 2, "--overwrite", "--skip-existing", code=2, says="--skip-existing")


@pytest.mark.parametrize("arguments", [[], ["--scale", "2"], ["in.png", "--scale"], ["in.png", "--zoom", "2"]])
def test_usage(arguments):
    refuse(*arguments, code=2)


# --- refusals: outputs ---


@pytest.mark.parametrize("output", ["none/out.png", "none/out/", "none/{stem}{ext}", "icon.png/out.png"])
def test_an_output_directory_that_is_not_there(sample, output):
    error = refuse(sample("icon.png"), "--scale", 2, "-o", output, code=4, says="does not exist")
    assert "none" in error or "icon.png" in error


def test_an_empty_output_is_refused(folder, sample):
    """As from ``-o "$UNSET"``: it must not become the root of the file system."""
    refuse(sample("icon.png"), "--scale", 2, "-o", "", "--dry-run", code=2, says="--output")


def test_an_output_that_is_a_directory_of_the_very_name(folder, sample):
    (folder / "icon_upsampled.png").mkdir()
    refuse(sample("icon.png"), "--scale", 2, code=4, says=("icon_upsampled.png", "is a directory"))
    refuse("icon.png", "--scale", 2, "--overwrite", code=4, says=("icon_upsampled.png", "is a directory"))


@pytest.mark.parametrize("name", ["out", "out.", "out.xyz", "out.txt", "out.nii.bz2", "out.nii.zst", ".png"])
def test_an_output_of_no_known_format(sample, name):
    error = refuse(sample("icon.png"), "--scale", 2, "-o", name, code=4)
    assert name in error
    assert "png" in error


@pytest.mark.parametrize(
    ("name", "output", "remedy"),
    [
        ("icon.png", "out.jpg", ".png"),  # alpha
        ("depth16.png", "out.jpg", ".png"),  # 16 bits
        ("depth16.png", "out.webp", ".png"),
        ("depth16.png", "out.gif", ".png"),
        ("depth16.png", "out.avif", ".png"),
        ("icon.png", "out.bmp", ".png"),
        ("icon.png", "out.ppm", ".png"),
        ("depth16.png", "out.bmp", ".png"),
        ("brain.nii.gz", "out.png", ".tif"),  # three axes
        ("stack_imagej.tif", "out.png", ".tif"),
        ("signal.npy", "out.png", ".npy"),  # one axis
    ],
)
def test_an_output_that_cannot_hold_the_samples(sample, name, output, remedy):
    error = refuse(sample(name), "--scale", 2, "-o", output, code=4, says=(output, "write "))
    assert remedy in error.split("write ")[1]


@pytest.mark.parametrize(
    ("dtype", "output"),
    [
        ("float32", "out.png"),
        ("float64", "out.png"),
        ("float64", "out.jpg"),
        ("int64", "out.png"),
        ("int8", "out.png"),
        ("uint32", "out.png"),
        ("complex64", "out.png"),
        ("float16", "out.png"),
        ("float16", "out.ome.tif"),
        ("int64", "out.ome.tif"),
        ("float32", "out.webp"),
        ("float32", "out.gif"),
        ("int32", "out.webp"),
    ],
)
def test_an_output_that_cannot_hold_the_dtype(dtype, output):
    np.save("in.npy", ramp(3, 4, dtype=dtype))
    refuse("in.npy", "--scale", 2, "-o", output, code=4, says=(output, "write "))


@pytest.mark.skipif(np.dtype("longdouble").itemsize <= 8, reason="longdouble is float64 here")
@pytest.mark.parametrize("dtype", ["longdouble", "clongdouble"])
def test_wide_floats_do_not_become_a_tiff_that_nobody_reads(dtype):
    np.save("in.npy", ramp(3, 4, dtype=dtype))
    refuse("in.npy", "--scale", 2, "-o", "out.tif", code=4, says=("out.tif", "write .npy"))


def test_cmyk_stays_cmyk():
    Image.new("CMYK", (4, 4), (10, 200, 30, 40)).save("in.jpg")
    run("in.jpg", "--scale", 2, "-o", "out.tif")
    with Image.open("out.tif") as image:
        assert image.mode == "CMYK"


@pytest.mark.parametrize("channels", [2, 5])
def test_an_output_that_cannot_hold_the_channels(channels):
    np.save("in.npy", ramp(3, 4, channels, dtype="uint8"))
    refuse("in.npy", "--scale", 2, "--axes", "yxs", "-o", "out.jpg", code=4, says=("out.jpg", "write "))


@pytest.mark.parametrize(("output", "limit"), [("out.jpg", 65_500), ("out.webp", 16_383), ("out.gif", 65_535)])
def test_an_output_that_cannot_be_so_long(output, limit):
    np.save("in.npy", np.zeros((1, 2), np.uint8))
    refuse("in.npy", "--size", f"x={limit + 1}", "-o", output, code=4, says=(output, f"{limit:,}", "write "))


@pytest.mark.parametrize("ext", [".png", ".jpg", ".webp", ".bmp", ".gif", ".tif", ".ppm", ".tga"])
def test_a_picture_has_the_size_that_was_asked_for(sample, ext):
    run(sample("cat_rotated.jpg"), "--size", "100x70", "-o", f"out{ext}")
    with Image.open(f"out{ext}") as image:
        assert image.size == (100, 70)


def test_a_long_side_is_no_problem_for_a_png():
    np.save("in.npy", np.zeros((1, 2), np.uint8))
    run("in.npy", "--size", "x=70000", "-o", "out.png")
    assert size_of("out.png") == (70_000, 1)


@pytest.mark.parametrize("name", OF_EVERY_FAMILY)
@pytest.mark.parametrize("options", [[], ["--overwrite"], ["--skip-existing"]], ids=["plain", "overwrite", "skip"])
def test_the_input_is_never_the_output(folder, sample, name, options):
    sample(name)
    (folder / "sub").mkdir()
    (folder / f"soft-{name}").symlink_to(name)
    (folder / f"hard-{name}").hardlink_to(name)
    (folder / "sub" / "up").symlink_to("..")
    others = (f"./{name}", f"sub/../{name}", folder / name, f"soft-{name}", f"hard-{name}", f"sub/up/{name}", ".", "./")
    for output in (name, *others):
        refuse(name, "--scale", 2, "-o", output, *options, code=2, says=(name, "same file", "--output"))
    refuse(f"soft-{name}", "--scale", 2, "-o", name, *options, code=2, says="same file")


def test_the_output_of_one_input_is_not_another_input(sample):
    sample("icon.png", "a.png")
    sample("icon.png", "a_upsampled.png")
    refuse("a.png", "a_upsampled.png", "--scale", 2, "--overwrite", code=2, says=("a_upsampled.png", "--output"))


@pytest.mark.parametrize(
    ("given", "output"),
    [("hdr", "img"), ("img", "hdr"), ("hdr", "hdr"), ("img", "img")],
)
@pytest.mark.parametrize("options", [[], ["--overwrite"]], ids=["plain", "overwrite"])
def test_neither_half_of_a_pair_is_the_output(given, output, options):
    nib.save(nib.Nifti1Pair(ramp(4, 5, 6, dtype="int16"), np.eye(4)), "pair.hdr")
    refuse(f"pair.{given}", "--scale", 2, "-o", f"pair.{output}", *options, code=2, says=("pair.", "same file"))


@pytest.mark.parametrize(
    ("existing", "output"),
    [
        ("out.hdr", "out.hdr"),
        ("out.img", "out.img"),
        ("out.hdr", "out.img"),
        ("out.img", "out.hdr"),
    ],
)
def test_either_half_of_a_pair_is_an_existing_output(folder, sample, existing, output):
    (folder / existing).write_bytes(b"precious")
    refuse(sample("fmri.nii"), "--scale", 2, "-o", output, code=4, says=("out.", "exists", "--overwrite"))
    run("fmri.nii", "--scale", 2, "-o", output, "--skip-existing")
    assert (folder / existing).read_bytes() == b"precious"


def test_both_halves_of_a_pair_are_one_input_or_collide(folder):
    """As from a pattern that matches both: never two jobs that write the same two files."""
    nib.save(nib.Nifti1Pair(ramp(4, 5, 6, dtype="int16"), np.eye(4)), "pair.hdr")
    result = invoke("pair.*", "--scale", "2")
    assert result.exit_code in (0, 2)
    assert result.output.count("→ pair_upsampled") == (1 if result.exit_code == 0 else 0)


def test_two_inputs_never_share_an_output(folder, sample):
    for name in ("a", "b", "out"):
        (folder / name).mkdir()
    for name in ("a/x.png", "b/x.png"):
        sample("icon.png", name)
    refuse("a/x.png", "b/x.png", "--scale", 2, "-o", "out", code=2, says=("out/x.png", "a/x.png", "b/x.png"))
    refuse("a/x.png", "b/x.png", "--scale", 2, "-o", "out/{stem}.tif", code=2, says=("out/x.tif", "--output"))
    refuse("a/x.png", "b/x.png", "--scale", 2, "-o", "one.png", code=2, says=("one.png", "2 inputs", "directory"))
    refuse("a/x.png", "b/x.png", "--scale", 2, "-o", "out", "--overwrite", code=2, says="out/x.png")


def test_the_same_input_twice_is_one_input(sample):
    sample("icon.png")
    result = run("icon.png", "./icon.png", "ic*.png", "--scale", 2)
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("name", OF_EVERY_FAMILY)
def test_a_read_only_directory(public, name):
    folder = public
    (folder / name).write_bytes((SAMPLES / name).read_bytes())
    (folder / "warm").mkdir()
    run(name, "--scale", 2, "-o", "warm/")
    (folder / "locked").mkdir(mode=0o555)
    before = listing(folder)
    with not_as_root():
        result = run(name, "--scale", 2, "-o", "locked/", code=4)
    assert result.stderr.startswith(f"Error: locked/{name}: cannot be written: Permission denied\n")
    assert listing(folder) == before


@pytest.mark.parametrize("name", OF_EVERY_FAMILY)
def test_a_name_that_is_too_long(sample, name):
    ext = next(ext for ext in (".ome.tif", ".nii.gz", Path(name).suffix) if name.endswith(ext))
    long = "x" * (256 - len(ext)) + ext
    refuse(sample(name), "--scale", 2, "-o", long, code=4, says=long)


def test_a_default_name_that_is_too_long(sample):
    refuse(sample("icon.png", "x" * 250 + ".png"), "--scale", 2, code=4, says="x" * 250)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_an_output_that_is_no_regular_file_is_not_replaced(folder, sample):
    """As a link to a device: it must not become a regular file."""
    os.mkfifo(folder / "pipe.png")
    before = (folder / "pipe.png").stat().st_mode
    invoke(sample("icon.png"), "--scale", "2", "-o", "pipe.png", "--overwrite")
    assert (folder / "pipe.png").stat().st_mode == before


# --- several files ---


def test_one_bad_file_never_stops_the_others(folder, sample):
    (folder / "broken.png").write_bytes(b"broken")
    inputs = [sample("icon.png"), "broken.png", "none.npy", sample("signal.npy"), sample("labels.nii.gz")]
    result = run(*inputs, "--scale", 2, code=5)
    errors = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert sorted(line.split(":")[1].strip() for line in errors) == ["broken.png", "none.npy"]
    assert result.stderr.splitlines()[-1] == "3 done, 0 skipped, 2 failed"
    written = {"icon_upsampled.png", "signal_upsampled.npy", "labels_upsampled.nii.gz"}
    assert set(listing(folder)) - {*inputs} == written


def test_a_bad_file_does_not_stop_the_others_where_a_template_asks_for_sizes(folder, sample):
    (folder / "broken.png").write_bytes(b"broken")
    run("broken.png", sample("icon.png"), "--scale", 2, "-o", "{stem}_{size}.png", code=5)
    assert (folder / "icon_128x128.png").exists()


def test_skipped_and_failed_is_failed(folder, sample):
    run(sample("icon.png"), "--scale", 2)
    result = run("icon.png", "none.png", "--scale", 2, "--skip-existing", code=5)
    assert result.stderr.splitlines()[-1] == "0 done, 1 skipped, 1 failed"


def test_a_bug_is_said_to_be_one_and_shows_its_traceback_if_asked(folder, sample, monkeypatch):
    def stumble(*_):
        raise ZeroDivisionError("of all things")

    monkeypatch.setattr("upsample_cli.batch.worker.make_plan", stumble)
    before = listing(folder)
    result = run(sample("icon.png"), "--scale", 2, code=1)
    assert "This is a bug: ZeroDivisionError: of all things" in result.stderr
    assert "Traceback" not in result.output
    result = run("icon.png", "--scale", 2, "-v", code=1)
    assert "Traceback" in result.stderr
    assert set(listing(folder)) - set(before) == {"icon.png"}
