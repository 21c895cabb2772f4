"""The pages that people read, and their parts."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
OPTIONS, SEMANTICS = ROOT / "docs" / "options.md", ROOT / "docs" / "semantics.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
_FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)


def text_of(page):
    return page.read_text(encoding="utf-8")


def blocks(text, language):
    """The contents of the fenced blocks in `language`."""
    return [content for name, content in _FENCED.findall(text) if name == language]


def commands(text):
    """Each command of the console blocks, with the lines that it is said to print."""
    pairs = re.findall(r"^\$ (.*)\n((?:[^$\n].*\n)*)", "".join(blocks(text, "console")), re.M)
    return [(command, printed.splitlines()) for command, printed in pairs]


def section(text, heading):
    """What stands below a heading of the second level."""
    return text.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def rows(text):
    """The cells of each row of the tables in `text`."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
