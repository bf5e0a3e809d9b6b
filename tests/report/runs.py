"""Run folders with known faults: outputs made from the truth, one thing changed in each."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lensproc import __version__
from lensproc.contract.context import CutoutResult, FileResult
from lensproc.engine.catalogue import row_of, write_catalogue
from lensproc.engine.checking import record_reading
from lensproc.engine.ledger import to_line
from lensproc.enhanced import Activity, Enhanced
from lensproc.fits.provenance import canonical_json
from lensproc.fits.read import ReadOptions, read
from lensproc.fits.resample_header import resample_header
from lensproc.fits.write import write_enhanced
from lensproc.qc.quick import quick_checks
from tests.scenes import FWHM, star_field, write_cutout

STARS = ((16.3, 30.8, 2000.0), (33.1, 14.6, 900.0))
SHAPE = (48, 48)
TIME = "2026-01-02T03:04:05"


def fine(stars: tuple[tuple[float, float, float], ...], scale: int = 2) -> NDArray[np.float32]:
    """What an ideal enhancer gives: the stars without noise, flux per output pixel."""
    placed = tuple((scale * (x + 0.5) - 0.5, scale * (y + 0.5) - 0.5, flux) for x, y, flux in stars)
    shape = (SHAPE[0] * scale, SHAPE[1] * scale)
    return star_field(shape, placed, noise=0.0, fwhm=FWHM * scale)


FAULTS: Mapping[str, NDArray[np.float32]] = {
    "ideal.fits": fine(STARS),
    "erased.fits": fine(STARS[:1]),
    "invented.fits": fine((*STARS, (10.2, 9.7, 300.0))),
    "dimmed.fits": fine(STARS) * np.float32(0.9),
    "a&b <c>.fits": fine(STARS),
}
"""Input file to its output; the last name is there to be escaped."""


def enhanced_from(path: Path, image: NDArray[np.float32], scale: int = 2) -> Enhanced:
    """Output of `path`, checked, as `lensproc run` would write it."""
    (cutout,) = read(path, ReadOptions())
    header = resample_header(cutout.header, scale, shape=cutout.shape).header
    result = cutout.replace(
        data=image,
        header=header,
        variance=np.full(image.shape, 1.0 / scale**2, np.float32),
        mask=np.zeros(image.shape, np.uint32),
    )
    stage = Activity(
        1, "lanczos", "enhance", "lensproc", __version__, options=canonical_json({"scale": scale})
    )
    factor = 1.0 / scale**2
    enhanced = Enhanced(
        cutout, result, float(scale), "c" * 64, (stage,), flux_factor=factor, variance_factor=factor
    )
    enhanced = record_reading(enhanced, ReadOptions())
    checked = quick_checks(enhanced, None)
    return dataclasses.replace(enhanced, qa=checked.qa, sources=checked.sources, planes=checked.planes)


def make_run(folder: Path, faults: Mapping[str, NDArray[np.float32]] = FAULTS) -> Path:
    """Write inputs into ``folder/in`` and a run into ``folder/out``; returns the latter."""
    inputs, out = folder / "in", folder / "out"
    inputs.mkdir(parents=True)
    out.mkdir()
    lines, known = [], set[str]()
    for seed, (name, image) in enumerate(faults.items()):
        path = write_cutout(inputs / name, seed=seed)
        enhanced = enhanced_from(path, image)
        output = f"{Path(name).stem}_enhanced.fits"
        write_enhanced(enhanced, out / output)
        row = row_of(enhanced, output, (150.1, 2.2))
        cutout = CutoutResult(enhanced.original.source.hdu, "i", "OK", output, "", row)
        result = FileResult(str(path), "OK", enhanced.original.source.sha256, "", 0.1, (cutout,))
        lines.append(to_line(result, "c" * 64, TIME, known))
    for name, reason in (("torn.fits", "the file is cut short"), ("later.fits", "no such file")):
        lines.append(to_line(FileResult(name, "FAILED", "", reason), "c" * 64, TIME, known))
    # what could not be read at first came out at the second try, and is no failure any more
    lines.append(to_line(FileResult("later.fits", "OK", "d" * 64), "c" * 64, TIME, known))
    (out / "ledger.jsonl").write_text("\n".join(lines) + "\n")
    write_catalogue([json.loads(line) for line in lines], out)
    return out
