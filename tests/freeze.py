"""Record what the installed command does to every example file, and compare two such records.

    python tests/freeze.py record before.json examples
    python tests/freeze.py record after.json examples
    python tests/freeze.py compare before.json after.json

The first command also makes the folder of example files, some of which hold the time at which they were made.

A record holds, for each command, its exit code, its JSON lines without times and memory, and the SHA-256 of every file
that it wrote. Use it around a change that is not meant to change results. The wording of messages is recorded, and
compared only with ``--messages``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT))

BATCHES = {
    "linear": "--scale 2",
    "nearest": "--scale 2 --mode nearest",
    "cubic corners": "--scale 1.5 --mode cubic --align-corners",
    "antialias": "--scale 0.6 --antialias",
    "area": "--scale 0.5 --mode area --verify",
    "lanczos": "--scale 1.7 --mode lanczos --no-provenance",
    "label": "--scale 2 --mode label",
    "linear light": "--scale 1.5 --linear-light",
    "spacing": "--spacing 0.7",
    "fit": "--fit 40 --no-premultiply",
    "verify": "--scale x=2 --mode nearest-exact --verify",
    "png": "--scale 2 --format png",
    "jpg": "--scale 2 --format jpg --quality 80",
    "webp": "--scale 2 --format webp",
    "gif": "--scale 2 --format gif",
    "tif": "--scale 2 --format tif --compress-level 5",
    "ome.tif": "--scale 2 --format ome.tif",
    "nii.gz": "--scale 2 --format nii.gz",
    "mgz": "--scale 2 --format mgz",
    "npy": "--scale 2 --format npy",
    "compare": "--scale 2 --compare nearest,linear,cubic+align-corners",
    "dry run": "--scale 2 --dry-run",
}
SINGLES = {
    "missing": "nothing.png --scale 2",
    "no target": "{data}/icon.png",
    "two targets": "{data}/icon.png --scale 2 --size 3",
    "bad factor": "{data}/icon.png --scale zero",
    "bad mode": "{data}/icon.png --scale 2 --mode sinc",
    "bad axes": "{data}/signal.npy --scale 2 --axes zyx",
    "wrong dimensions": "{data}/fmri.nii --scale 2 --mode bilinear",
    "no folder": "{data}/icon.png --scale 2 -o nowhere/out.png",
    "itself": "{data}/icon.png --scale 2 -o {data}/icon.png --overwrite",
    "memory": "{data}/fmri.nii --scale 9 --max-memory 1M",
    "directory": "{data} --scale 2",
    "antialiased nearest": "{data}/icon.png --scale 2 --mode nearest --antialias",
    "pair": "{data} -r --spacing 1 --pair brain.nii.gz=labels.nii.gz:label -o {out}/ --include *.nii.gz",
    "template": "{data}/icon.png --scale 2 -o {out}/{{stem}}_{{size}}_{{mode}}_{{scale}}.webp",
}
_CHANGING = ("seconds", "memory")  # fields of a JSON line that differ from run to run
_MESSAGES = ("error", "warnings", "reason")


def make_examples(folder: Path) -> None:
    """Write every example of the tests, and the sample data."""
    from tests.formats.examples import EXAMPLES

    for number, example in enumerate(EXAMPLES):
        place = folder / f"{number:03}"
        place.mkdir(parents=True)
        example.make(place / f"{number:03}{example.suffix}")
    ignored = shutil.ignore_patterns("*.py", "pictures", "*.md")
    shutil.copytree(ROOT / "sample_data", folder / "samples", ignore=ignored)


def record(examples: Path) -> dict[str, Any]:
    """What every command of the tables does to the files in the folder `examples`, which is made if it is missing."""
    if not examples.exists():
        make_examples(examples)
    work = Path(tempfile.mkdtemp(prefix="freeze-"))
    try:
        shutil.copytree(examples, work / "in")
        shutil.copytree(examples / "samples", work / "data")
        found: dict[str, Any] = {}
        for name, options in BATCHES.items():
            out = work / "out"
            found[name] = _run(["-r", "in", "-o", "out/", *options.split()], work, out)
        for name, options in SINGLES.items():
            out = work / "single"
            out.mkdir(exist_ok=True)
            found[name] = _run(options.format(data="data", out="single").split(), work, out)
        return found
    finally:
        shutil.rmtree(work)


def _run(arguments: list[str], work: Path, out: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "upsample_cli", "--json", "--quiet", *arguments]
    done = subprocess.run(command, cwd=work, capture_output=True, encoding="utf-8", errors="replace")
    lines = sorted((json.loads(line) for line in done.stdout.splitlines()), key=lambda line: line["input"])
    for line in lines:
        for field in _CHANGING:
            line.pop(field, None)
    files = {
        str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.is_file()
    }
    shutil.rmtree(out, ignore_errors=True)
    return {"exit_code": done.returncode, "lines": lines, "files": files, "stderr": sorted(done.stderr.splitlines())}


def differences(before: dict[str, Any], after: dict[str, Any], messages: bool) -> list[str]:
    """What differs between two records, one line for each difference."""
    found = []
    for name in before.keys() | after.keys():
        old, new = before.get(name), after.get(name)
        if old is None or new is None:
            found.append(f"{name}: only in one record")
            continue
        if old["exit_code"] != new["exit_code"]:
            found.append(f"{name}: exit code {old['exit_code']}, now {new['exit_code']}")
        paths = sorted(old["files"].keys() | new["files"].keys())
        changed = [path for path in paths if old["files"].get(path) != new["files"].get(path)]
        found += [f"{name}: {path} has other bytes, or exists in one record only" for path in changed]
        found += [f"{name}: {text}" for text in _line_differences(old["lines"], new["lines"], messages)]
        if messages and old["stderr"] != new["stderr"]:
            found += [f"{name}: stderr: {a!r}, now {b!r}" for a, b in zip(old["stderr"], new["stderr"], strict=False)]
    return found


def _line_differences(before: list[dict[str, Any]], after: list[dict[str, Any]], messages: bool) -> list[str]:
    if len(before) != len(after):
        return [f"{len(before)} lines, now {len(after)}"]
    found = []
    for old, new in zip(before, after, strict=True):
        for field in old.keys() | new.keys():
            a, b = old.get(field), new.get(field)
            if field in _MESSAGES and not messages:
                a, b = _shape(a), _shape(b)
            if a != b:
                found.append(f"{old['input']}: {field}: {a!r}, now {b!r}")
    return found


def _shape(message: Any) -> Any:
    """A message without its words: an exit code, or the number of warnings."""
    if isinstance(message, dict):
        return message.get("exit_code")
    return len(message) if isinstance(message, list) else message is not None


def main() -> int:
    """Record, or compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    recorded = commands.add_parser("record")
    recorded.add_argument("file", type=Path)
    recorded.add_argument("examples", type=Path)
    compare = commands.add_parser("compare")
    compare.add_argument("before", type=Path)
    compare.add_argument("after", type=Path)
    compare.add_argument("--messages", action="store_true")
    given = parser.parse_args()
    if given.command == "record":
        given.file.write_text(json.dumps(record(given.examples), indent=1))
        return 0
    found = differences(json.loads(given.before.read_text()), json.loads(given.after.read_text()), given.messages)
    print("\n".join([*found, f"{len(found)} differences"]))
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
