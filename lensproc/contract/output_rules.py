"""What a `StageOutput` must be: the rules that a run and the conformance suite hold a stage to."""

from __future__ import annotations

import re

from lensproc.contract.manifest import Kind
from lensproc.contract.stage import Batch, StageOutput

KEYWORD = re.compile(r"[A-Z0-9_-]{1,8}")
KEYWORD_RULE = "a keyword is 1 to 8 of A-Z, 0-9, _ and -"

EXTNAME = re.compile(r"[A-Z0-9_-]{1,68}")
EXTNAME_RULE = "an extension is 1 to 68 of A-Z, 0-9, _ and -"


def fault_of(output: object, batch: Batch, kind: Kind, scale: int) -> str | None:
    """Say what is wrong with a stage's output: its type, the number, the shapes or the names of what it holds.

    Parameters
    ----------
    output : object
        What ``Stage.apply`` gave.
    batch : Batch
        What it was given.
    kind : str
        As in the manifest.
    scale : int
        Output pixels per input pixel.

    Returns
    -------
    str or None
        What came and what was expected, to follow the name of the stage; None where all is well.
    """
    if not isinstance(output, StageOutput):
        return f"gave {type(output).__name__}, expected StageOutput"
    if kind == "enhance" and output.images is None:
        return "gave no images"
    n, c, h, w = batch.images.shape
    expected = (n, c, h * scale, w * scale)
    for what, tensor in (("images", output.images), ("uncertainty", output.uncertainty)):
        if tensor is not None and tuple(tensor.shape) != expected:
            return f"gave {what} of shape {tuple(tensor.shape)}, expected {expected} ({scale} × the input)"
    for what in ("values", "tables", "planes", "failed"):
        given = getattr(output, what)
        if given and len(given) != n:
            return f"gave {len(given)} {what} for {n} cutouts"
    for what, pattern, rule in (
        ("values", KEYWORD, KEYWORD_RULE),
        ("tables", EXTNAME, EXTNAME_RULE),
        ("planes", EXTNAME, EXTNAME_RULE),
    ):
        names = {str(name) for given in getattr(output, what) for name in given}
        wrong = sorted(name for name in names if not pattern.fullmatch(name))
        if wrong:
            return f"gave {what} named {', '.join(wrong)}: {rule}"
    return None
