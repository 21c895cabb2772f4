"""Commands as people type them who come from other tools: exit code, files that are written, first line of the message.

The folder holds a picture with alpha (64×64), a photograph (451×300), a stack (x 64, y 48, z 6, t 2, c 2; 0.2 and
0.5 µm), a volume (48×56×32; 3.5 and 5.5 mm), the same picture twice in `set/a` and `set/b`, and an image with its mask.
"""

import shlex
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.cli_helpers import size_of
from upsample_cli.batch import pool
from upsample_cli.cli.command import main

SAMPLES = Path(__file__).parents[2] / "sample_data"
FILES = {
    "in.png": "icon.png",
    "deep.png": "depth16.png",
    "photo.jpg": "cat.jpg",
    "stack.tif": "stack_imagej.tif",
    "scan.nii.gz": "brain.nii.gz",
    "set/a/x.png": "icon.png",
    "set/b/x.png": "icon.png",
    "d/images/1.png": "icon.png",
    "d/masks/1.png": "icon.png",
    "list": None,
}

COMMANDS = [  # command, exit code, sizes of the files that are written, beginning of the first line of the message
    # ImageMagick, vips, sharp
    ("in.png out.png --scale 2", 0, {"out.png": (128, 128)}, "in.png → out.png: 64×64 RGBA → 128×128 RGBA, uint8"),
    ("in.png out.jpg --scale 2", 4, {}, "Error: out.jpg: JPEG cannot hold transparency; write .png, or put"),
    ("in.png out.jpg --scale 2 --background white", 0, {"out.jpg": (128, 128)}, "in.png → out.jpg: 64×64 RGBA →"),
    ("in.png --resize 50%", 2, {}, "Error: No such option '--resize'; write --size"),
    ("in.png --scale 50%", 0, {"in_upsampled.png": (32, 32)}, "in.png → in_upsampled.png"),
    ("in.png --scale 200%", 0, {"in_upsampled.png": (128, 128)}, "in.png → in_upsampled.png"),
    ("in.png --size 50%", 0, {"in_upsampled.png": (32, 32)}, "in.png → in_upsampled.png"),
    ("in.png --scale 2x", 0, {"in_upsampled.png": (128, 128)}, "in.png → in_upsampled.png"),
    ("in.png --scale 1/3", 0, {"in_upsampled.png": (21, 21)}, "in.png → in_upsampled.png"),
    ("in.png --scale 120/64", 0, {"in_upsampled.png": (120, 120)}, "in.png → in_upsampled.png"),
    ("photo.jpg --size 800x -o w.jpg", 0, {"w.jpg": (800, 532)}, "photo.jpg → w.jpg: 451×300 RGB → 800×532 RGB"),
    ("photo.jpg --size x600 -o h.jpg", 0, {"h.jpg": (902, 600)}, "photo.jpg → h.jpg"),
    ("photo.jpg --width 800 -o w.jpg", 0, {"w.jpg": (800, 532)}, "photo.jpg → w.jpg"),
    ("photo.jpg --height 600 -o h.jpg", 0, {"h.jpg": (902, 600)}, "photo.jpg → h.jpg"),
    (
        "photo.jpg --width 300 --height 300 -o s.jpg",
        0,
        {"s.jpg": (300, 300)},
        "photo.jpg → s.jpg: 451×300 RGB → 300×300 RGB (other proportions)",
    ),
    ("photo.jpg --size 800 -o s.jpg", 0, {"s.jpg": (800, 800)}, "photo.jpg → s.jpg: 451×300 RGB → 800×800 RGB (other"),
    (
        "in.png --fit 256 --only-shrink",
        0,
        {"in_upsampled.png": (64, 64)},
        "in.png → in_upsampled.png: 64×64 RGBA →",
    ),
    ("photo.jpg --fit 256 --only-shrink", 0, {"photo_upsampled.jpg": (256, 170)}, "photo.jpg → "),
    ("photo.jpg --fit 256 --only-enlarge", 0, {"photo_upsampled.jpg": (451, 300)}, "photo.jpg → "),
    ("photo.jpg --cover 300x200 -o t.jpg", 0, {"t.jpg": (300, 200)}, "photo.jpg → t.jpg: 451×300 RGB → 300×200 RGB,"),
    ("in.png --cover 300x200", 0, {"in_upsampled.png": (300, 200)}, "in.png → in_upsampled.png"),
    (
        "photo.jpg --fit 32 --fit 64 -o web/{stem}_{size}{ext}",
        0,
        {"web/photo_32x21.jpg": (32, 21), "web/photo_64x43.jpg": (64, 43)},
        "photo.jpg → web/photo_",
    ),
    ("photo.jpg --fit 32 --fit 64 -o t.jpg", 2, {}, "Error: t.jpg: would hold several results; tell them apart"),
    ("in.png --thumbnail 128", 2, {}, "Error: No such option '--thumbnail'; write --fit"),
    ("in.png --zoom 2", 2, {}, "Error: No such option '--zoom'; write --scale"),
    ("in.png --ratio 2", 2, {}, "Error: No such option '--ratio'; write --scale"),
    ("in.png --scale 2 --filter cubic", 2, {}, "Error: No such option '--filter'; write --mode"),
    ("in.png --scale 2 --force", 2, {}, "Error: No such option '--force'; write --overwrite"),
    ("in.png --scale 2 --output-dir out", 2, {}, "Error: No such option '--output-dir'; write -o DIR/"),
    ("in.png --scale 2 -y", 2, {}, "Error: No such option '-y'; write --overwrite"),
    (
        "in.png --scale 2 --mode Lanczos3",
        0,
        {"in_upsampled.png": (128, 128)},
        "in.png → in_upsampled.png: 64×64 RGBA →",
    ),
    ("in.png --scale 2 --mode CUBIC", 0, {"in_upsampled.png": (128, 128)}, "in.png → in_upsampled.png: 64×64 RGBA →"),
    ("in.png --scale 2 --mode nn", 0, {"in_upsampled.png": (128, 128)}, "in.png → in_upsampled.png: 64×64 RGBA →"),
    ("in.png --scale 2 --mode mitchell", 2, {}, "Error: --mode: unknown mode 'mitchell'; choose from linear"),
    ("photo.jpg --fit 100 --strip", 0, {"photo_upsampled.jpg": (100, 67)}, "photo.jpg → "),
    ("in.png --scale 2 -o in.png --overwrite", 2, {}, "Error: in.png: the output of in.png is the same file as its"),
    ("deep.png --scale 2 -o o.webp", 4, {}, "Error: o.webp: "),
    (
        "deep.png --scale 1 --dtype uint8 --rescale -o o.jpg",
        0,
        {"o.jpg": (128, 96)},
        "deep.png → o.jpg: 128×96 →",
    ),
    ("in.png --scale 2 -o o.pdf", 4, {}, "Error: o.pdf: cannot write files with the suffix '.pdf'"),
    ("in.png -resize 50%", 2, {}, "Error: No such option '-resize'; write --size"),
    ("in.png --scale 2 -out z.png", 2, {}, "Error: No such option '-out'; write -o FILE"),
    (
        "photo.jpg --fit 320x240>",
        2,
        {},
        "Error: --fit 320x240>: '240>' is not a number; write --only-shrink to resize larger",
    ),
    ("in.png --size 80x60! -o z.png", 0, {"z.png": (80, 60)}, "in.png → z.png: 64×64 RGBA → 80×60 RGBA (other prop"),
    ("in.png --size 32px -o z.png", 0, {"z.png": (32, 32)}, "in.png → z.png"),
    (
        "in.png --size 80 60 -o z.png",
        2,
        {},
        "Error: 60: does not exist; write numbers for several axes together: 640x480",
    ),
    (
        "photo.jpg --width 100 --without-enlargement",
        2,
        {},
        "Error: No such option '--without-enlargement'; write --only",
    ),
    ("in.png --fit 200x", 2, {}, "Error: --fit 200x: a box has two sides; for a single side write --width 200"),
    ("in.png --cover x200", 2, {}, "Error: --cover x200: a box has two sides; for a single side write --height 200"),
    ("in.png --size 640:480", 2, {}, "Error: --size 640:480: '640:480' is not a number; write 640x480"),
    ("in.png --size 640:-1", 2, {}, "Error: --size 640:-1: '640:-1' is not a number; write 640x"),
    ("in.png --size -2:480", 2, {}, "Error: --size -2:480: '-2:480' is not a number; write x480"),
    ("in.png --width 32px -o z.png", 0, {"z.png": (32, 32)}, "in.png → z.png"),
    ("in.png --resampleWidth 640", 2, {}, "Error: No such option '--resampleWidth'; write --width"),
    ("in.png -Z 640", 2, {}, "Error: No such option '-Z'; write --fit"),
    ("in.png --long-edge 300", 2, {}, "Error: No such option '--long-edge'; write --fit"),
    ("in.png --dpi 300", 2, {}, "Error: No such option '--dpi'; write --spacing, such as 0.1mm"),
    ("-i in.png --scale 2", 2, {}, "Error: No such option '-i'; write the name of the input without an option"),
    ("in.png --scale 2 -q 80", 2, {}, "Error: -q takes no number; write --quality 80"),
    ("in.png --isotropic 1", 2, {}, "Error: --isotropic takes no number; write --spacing 1"),
    ("in.png --scale 2 --quality best", 2, {}, "Error: Invalid value for '--quality': 'best' is not a whole number f"),
    ("help", 2, {}, "Error: help: does not exist; write --help"),
    ("photo.jpg --size 100x100 --crop centre", 2, {}, "Error: No such option '--crop'; write --cover"),
    ("in.png --scale 2 --kernel cubic", 2, {}, "Error: No such option '--kernel'; write --mode"),
    (
        "in.png --scale 2 --format jpg --background white",
        0,
        {"in_upsampled.jpg": (128, 128)},
        "in.png → in_upsampled.jpg",
    ),
    (
        "in.png",
        2,
        {},
        "Error: give exactly one of --scale, --size, --width and --height, --spacing, --isotropic, --fit, --cover, ",
    ),
    # cp, mogrify, find, shell loops
    ("*.bmp --scale 2", 3, {}, "Error: *.bmp: matches no file"),
    ("set --scale 2", 3, {}, "Error: set: is a directory; -r takes the files in it"),
    ("in.png --scale 2 -o new/deep/x.png", 0, {"new/deep/x.png": (128, 128)}, "in.png → new/deep/x.png"),
    ("in.png --scale 2 -o new/", 0, {"new/in.png": (128, 128)}, "in.png → new/in.png"),
    ("in.png --scale 2 -o new", 4, {}, "Error: new: has no suffix, which sets the format; write new.png, or new/"),
    ("in.png new --scale 2", 2, {}, "Error: new does not exist; to write into this directory: -o new/"),
    ("in.png set --scale 2", 2, {}, "Error: set is a directory; to write into it: -o set/"),
    ("in.png deep.png out.png --scale 2", 2, {}, "Error: out.png does not exist; to write to out.png: -o out.png"),
    (
        "in.png deep.png --scale 2",
        0,
        {"in_upsampled.png": (128, 128), "deep_upsampled.png": (256, 192)},
        "deep.png exists, so it is an input too; to write to it: -o deep.png --overwrite",
    ),
    ("in.png deep.png --scale 2 -o o", 0, {"o/in.png": (128, 128), "o/deep.png": (256, 192)}, ""),
    ("*.png --scale 2 -o o", 0, {"o/in.png": (128, 128), "o/deep.png": (256, 192)}, ""),
    ("-r set --scale 2 -o o", 0, {"o/a/x.png": (128, 128), "o/b/x.png": (128, 128)}, ""),
    ("set/a/x.png set/b/x.png --scale 2 -o o/", 2, {}, "Error: o/x.png: would be written from both set/a/x.png and"),
    ("--files-from list --scale 2 -o o", 0, {"o/a/x.png": (128, 128), "o/b/x.png": (128, 128)}, ""),
    (
        "--files-from list --base . --scale 2 -o o",
        0,
        {"o/set/a/x.png": (128, 128), "o/set/b/x.png": (128, 128)},
        "",
    ),
    ("-r set --include *.jpg --scale 2", 2, {}, "Error: --include: no input matches '*.jpg'; '*.png' would match set/"),
    (
        "-r d --pair images/*.jpg=masks/*.png:label --scale 2 -o o",
        2,
        {},
        "Error: --pair images/*.jpg=masks/*.png:label: no input matches 'images/*.jpg'; patterns are for whole names",
    ),
    (
        "d/images/1.png --pair images/*.png=segs/*.png:nearest --scale 2 -o o/{parent}/{stem}{ext}",
        5,
        {"o/d/images/1.png": (128, 128)},
        "Error: d/segs/1.png: does not exist; --pair expects it as the companion of d/images/1.png",
    ),
    ("--scale 2", 2, {}, "Error: Missing argument 'INPUT...': give files, or - for standard input."),
    # torch and scipy
    ("in.png --scale_factor 2", 2, {}, "Error: No such option '--scale-factor'; write --scale"),
    (
        "in.png --scale 2 --align_corners",
        0,
        {"in_upsampled.png": (128, 128)},
        "in.png → in_upsampled.png: 64×64 RGBA →",
    ),
    (
        "in.png --size (32,16) --mode bilinear --antialias -o z.png",
        0,
        {"z.png": (32, 16)},
        "in.png → z.png: 64×64 RGBA",
    ),
    ("in.png --zoom 2 --order 3", 2, {}, "Error: No such option '--zoom'; write --scale"),
    ("in.png --scale 2 --mode 3", 2, {}, "Error: --mode: unknown mode '3'; choose from linear, bilinear, trilinear"),
    # microscopes and scanners: mrgrid, FSL, ANTs, nibabel
    (
        "scan.nii.gz --spacing 7mmx7mmx11mm -o s.nii.gz",
        0,
        {"s.nii.gz": (24, 28, 16)},
        "scan.nii.gz → s.nii.gz: 48×56×32",
    ),
    ("regrid scan.nii.gz out.nii.gz -voxel 2", 2, {}, "Error: No such option '-voxel'; write --spacing"),
    ("-in scan.nii.gz -ref scan.nii.gz -applyxfm", 2, {}, "Error: No such option '-ref'; write --like"),
    ("scan.nii.gz --voxel-size 1 1 1", 2, {}, "Error: No such option '--voxel-size'; write --spacing"),
    ("scan.nii.gz scan.png --scale 2", 4, {}, "Error: scan.png: a picture has the axes y and x, not zyx; write .tif,"),
    ("scan.nii.gz --like in.png -o s.nii.gz", 2, {}, "Error: "),
    ("stack.tif --fit 32 -o s.tif", 0, {"s.tif": (2, 6, 2, 24, 32)}, "stack.tif → s.tif: 64×48×6 t2 c2 → 32×24×6"),
    (
        "stack.tif --size 32x24 -o s.tif",
        2,
        {},
        "Error: stack.tif: --size 32x24: 2 numbers for 3 axes",
    ),
    ("stack.tif --spacing 100nm -o s.tif", 0, {"s.tif": (2, 30, 2, 96, 128)}, "stack.tif → s.tif: 64×48×6 t2 c2 →"),
    ("stack.tif --isotropic -o s.tif", 0, {"s.tif": (2, 15, 2, 48, 64)}, "stack.tif → s.tif: 64×48×6"),
    ("--isotropic coarsest stack.tif -o s.tif", 0, {"s.tif": (2, 6, 2, 19, 26)}, "stack.tif → s.tif"),
    ("stack.tif --scale 2 --mode bicubic -o s.tif", 2, {}, "Error: stack.tif: mode 'bicubic' is for 2 axes, not for 3"),
    ("stack.tif --scale 2 --mode tricubic -o s.tif", 0, {"s.tif": (2, 12, 2, 96, 128)}, "stack.tif → s.tif"),
    (
        "scan.nii.gz iso.nii.gz --spacing 7mm",
        0,
        {"iso.nii.gz": (24, 28, 25)},
        "scan.nii.gz → iso.nii.gz: 48×56×32 → 24×28×25, int16, trilinear, spacing 7×7×7 mm",
    ),
    ("scan.nii.gz --voxel 1", 2, {}, "Error: No such option '--voxel'; write --spacing"),
    ("scan.nii.gz --spacing 2 --interp nn", 2, {}, "Error: No such option '--interp'; write --mode"),
    ("in.png --isotropic", 2, {}, "Error: in.png: --isotropic: the file has no spacing for axis x; use --scale or"),
]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pool, "_can_fork", lambda: sys.platform == "linux")  # faster than new interpreters
    for name, source in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"set/a/x.png\nset/b/x.png\n" if source is None else (SAMPLES / source).read_bytes())
    return tmp_path


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(("command", "code", "written", "says"), COMMANDS, ids=[each[0] for each in COMMANDS])
def test_first_command(folder, command, code, written, says):
    before = contents(folder)
    result = CliRunner().invoke(main, shlex.split(command.replace("*", "'*'")))
    assert result.exit_code == code, result.output
    messages = [line for line in result.stderr.splitlines() if not line.startswith(("Usage: ", "Try ", "Warning: "))]
    first = next(line for line in messages if line)
    assert first.startswith(says), result.stderr
    after = contents(folder)
    assert {name: size_of(folder / name) for name in after.keys() - before.keys()} == written
    assert {name: after[name] for name in before} == before
    if code == 2:
        assert not [path for path in folder.rglob("*") if path.is_dir() and not any(path.iterdir())]


def test_there_are_sixty():
    assert len({command for command, *_ in COMMANDS}) >= 60
