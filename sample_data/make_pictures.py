"""Makes the pictures of the README and docs with the command itself: ``python sample_data/make_pictures.py``."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

HERE = Path(__file__).parent
PICTURES = HERE / "pictures"
CAPTION = 30  # height of a line of text under a panel
GAP = 12
INK, GREY, BLUE, ORANGE = "#24292f", "#8c959f", "#0969da", "#bc4c00"


def upsample(source: Path, target: Path, *options: str) -> Image.Image:
    command = [sys.executable, "-m", "upsample_cli", str(source), "-o", str(target), "--quiet", *options]
    subprocess.run(command, check=True)
    return Image.open(target).convert("RGB")


def sheet(panels: list[tuple[str, Image.Image]], columns: int) -> Image.Image:
    """The panels in rows, each with its caption below."""
    width = max(picture.width for _, picture in panels)
    height = max(picture.height for _, picture in panels)
    rows = -(-len(panels) // columns)
    size = (columns * (width + GAP) + GAP, rows * (height + CAPTION + GAP) + GAP)
    page = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(page)
    font = ImageFont.load_default(14)
    for number, (caption, picture) in enumerate(panels):
        row, column = divmod(number, columns)
        x, y = GAP + column * (width + GAP), GAP + row * (height + CAPTION + GAP)
        page.paste(picture, (x + (width - picture.width) // 2, y + (height - picture.height) // 2))
        draw.text((x + width / 2, y + height + CAPTION / 2), caption, INK, font, anchor="mm")
    return page


def comparison(folder: Path) -> Image.Image:
    eye = folder / "eye.png"
    Image.open(HERE / "cat.jpg").crop((142, 84, 198, 126)).save(eye)
    options = {"nearest": ("--mode", "nearest"), "bilinear": ("--mode", "bilinear")}
    panels = [("input, 56 x 42", Image.open(eye).convert("RGB"))]
    for mode, arguments in options.items():
        panels.append((f"--scale 5 --mode {mode}", upsample(eye, folder / f"{mode}.png", "--scale", "5", *arguments)))
    return sheet(panels, columns=3)


def modes(folder: Path) -> Image.Image:
    """Every mode on a detail that it enlarges, and every way to shrink a picture of fine rings."""
    eye, rings = folder / "eye.png", folder / "rings.png"
    make_rings(240).save(rings)
    panels = []
    for mode in ("nearest", "nearest-exact", "bilinear", "bicubic", "lanczos", "area"):
        picture = upsample(eye, folder / f"{mode}.png", "--scale", "4.7", "--mode", mode, "--overwrite")
        panels.append((f"--scale 4.7 --mode {mode}", picture))
    for options in (
        ("nearest",),
        ("bilinear",),
        ("area",),
        *((m, "--antialias") for m in ("bilinear", "bicubic", "lanczos")),
    ):
        target = folder / f"rings_{'_'.join(options)}.png"
        picture = upsample(rings, target, "--scale", "0.31", "--mode", *options)
        enlarged = picture.resize((picture.width * 3, picture.height * 3), Image.Resampling.NEAREST)
        panels.append((f"--scale 0.31 --mode {' '.join(options)}", enlarged))
    return sheet(panels, columns=3)


def make_rings(size: int) -> Image.Image:
    """Rings that grow finer outwards: what is too fine for the output must fade, and not turn into new rings."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    return Image.fromarray(np.rint(127.5 + 127.5 * np.cos((x * x + y * y) * np.pi / size / 1.6)).astype(np.uint8))


def conventions() -> Image.Image:
    """Where two conventions put the 8 output samples of 4 input samples: below them, on one line of the world."""
    page = Image.new("RGB", (900, 330), "white")
    draw = ImageDraw.Draw(page)
    heading, text = ImageFont.load_default(18), ImageFont.load_default(15)
    cell, left = 96, 330
    for row, (name, formula, start, step) in enumerate(
        [
            ("half-pixel (default)", "src = (dst + 0.5) * 4/8 - 0.5", -0.25, 0.5),
            ("align_corners", "src = dst * 3/7", 0.0, 3 / 7),
        ]
    ):
        top = 40 + row * 150
        draw.text((24, top + 8), name, INK, heading)
        draw.text((24, top + 38), formula, GREY, text)
        for sample in range(4):
            x = left + sample * cell
            draw.rectangle((x, top, x + cell, top + 44), fill="#ddf4ff", outline=GREY)
            draw.ellipse((x + cell / 2 - 6, top + 16, x + cell / 2 + 6, top + 28), fill=BLUE)
        for sample in range(8):
            x = left + cell / 2 + (start + sample * step) * cell
            draw.line((x, top + 46, x, top + 72), fill=ORANGE, width=1)
            draw.ellipse((x - 5, top + 68, x + 5, top + 78), fill=ORANGE)
        draw.text((left + 4 * cell + 20, top + 12), "4 input samples", BLUE, text)
        draw.text((left + 4 * cell + 20, top + 62), "8 output samples", ORANGE, text)
    return page


def choosing(folder: Path) -> Image.Image:
    """What `--compare` writes."""
    options = ("--scale", "4", "--compare", "nearest,linear,cubic,lanczos", "--region", "142,84,72,54")
    return upsample(HERE / "cat.jpg", folder / "choosing.png", *options).quantize(128)


def report(folder: Path) -> Image.Image | None:
    """What `--report` writes, in a browser, if there is one."""
    browser = shutil.which("chromium")
    if browser is None:
        return None
    for name in ("brain.nii.gz", "labels.nii.gz", "icon.png"):
        shutil.copy(HERE / name, folder)
    (folder / "damaged.nii.gz").write_bytes((HERE / "brain.nii.gz").read_bytes()[:3000])
    (folder / "out").mkdir()
    command = [sys.executable, "-m", "upsample_cli", "--scale", "2", "-o", "out/", "--report", "report.html", "--quiet"]
    files = ["brain.nii.gz", "damaged.nii.gz", "icon.png", "labels.nii.gz"]
    subprocess.run([*command, *files], cwd=folder, check=False)  # one of them is damaged
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    flags += ["--hide-scrollbars", "--window-size=1100,1080", f"--user-data-dir={folder / 'profile'}"]
    page = (folder / "report.html").as_uri()
    subprocess.run([browser, *flags, f"--screenshot={folder / 'report.png'}", page], check=True, capture_output=True)
    return Image.open(folder / "report.png").convert("RGB").quantize(128)


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        comparison(Path(folder)).save(PICTURES / "comparison.png", optimize=True)
        modes(Path(folder)).save(PICTURES / "modes.png", optimize=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        choosing(Path(folder)).save(PICTURES / "choosing.png", optimize=True)
        if (page := report(Path(folder))) is not None:
            page.save(PICTURES / "report.png", optimize=True)
    conventions().save(PICTURES / "conventions.png", optimize=True)


if __name__ == "__main__":
    main()
