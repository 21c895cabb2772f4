"""Texts that ``--help`` and the man page share: headings, examples, exit codes and environment variables."""

from __future__ import annotations

import click

from ..batch.naming import FIELDS

SIZE, SAMPLING = "Size (one; repeat it for several results)", "Sampling"  # headings of options
INPUTS, OUTPUTS = "Inputs", "Outputs"
RUNNING, COMPARING, MESSAGES = "Running", "Comparing", "Messages"
EXAMPLES = (
    "upsample photo.jpg --scale 2",
    "upsample icon.png --size 256x256 --mode nearest -o big.png",
    "upsample stack.ome.tif --scale z=4 -o isotropic.ome.tif",
    "upsample brain.nii.gz --spacing 1 -o brain_1mm.nii.gz",
    "upsample -r photos --fit 1920x1080 -o small/ --skip-existing",
    "upsample -r bids --spacing 1 -o out/ --pair '*_T1w.nii.gz=*_dseg.nii.gz:label'",
    "upsample - --scale 2 < in.png > out.png",
)
TEMPLATE_FIELDS = {f"{{{name}}}": meaning for name, meaning in FIELDS.items()}
EXIT_CODES = {
    0: "done",
    1: "a bug",
    2: "usage: the options contradict each other, or do not fit this file",
    3: "an input cannot be read",
    4: "an output cannot be written, already exists, or cannot hold the result",
    5: "some files of a batch failed",
    129: "the terminal was closed",
    130: "interrupted",
    143: "terminated",
}
ENVIRONMENT = "UPSAMPLE"  # the prefix of variables that set defaults: UPSAMPLE_MODE, UPSAMPLE_THREADS …


def in_groups(command: click.Command, context: click.Context) -> dict[str, list[click.Parameter]]:
    """The options by heading, in order."""
    groups: dict[str, list[click.Parameter]] = {}
    for parameter in command.get_params(context):
        if isinstance(parameter, click.Option):
            groups.setdefault(getattr(parameter, "group", MESSAGES), []).append(parameter)  # --help has no group
    return groups


def epilog() -> str:
    """The text below the options."""
    examples = "\n".join(f"  {example}" for example in EXAMPLES)
    codes = ", ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items())
    variables = (
        f"Environment variables such as {ENVIRONMENT}_MODE and {ENVIRONMENT}_THREADS set defaults for all options."
    )
    fields = "\n".join(f"  {field:9} {meaning}" for field, meaning in TEMPLATE_FIELDS.items())
    templates = f"\b\nTemplates for -o, such as 'out/{{subdir}}/{{stem}}_{{size}}{{ext}}':\n{fields}"
    return f"{templates}\n\n\b\nExamples:\n{examples}\n\nExit codes: {codes}.\n\n{variables}"
