"""Run the recorded chain of an output again on its input, and say whether the pixels agree."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lensproc.config import StageSpec
from lensproc.contract.weights import chosen_weights
from lensproc.engine.pipeline import Pipeline, PipelineConfig
from lensproc.enhanced import Activity, Enhanced
from lensproc.errors import InputError, LensprocError, UsageError
from lensproc.fits.provenance import Run, latest_run, read_provenance, software_versions
from lensproc.fits.read import ReadOptions, read

TOLERANCE = 1e-5
"""Largest difference, as a fraction of the peak, that another device or batch size may make."""


@dataclass(frozen=True)
class Replay:
    """Outcome of a replay.

    Parameters
    ----------
    identical : bool
        True where every pixel is equal, NaN where the other is NaN.
    difference : float
        Largest difference as a fraction of the recorded peak.
    notes : tuple of str
        What is not as it was: versions, packages, the input.
    """

    identical: bool
    difference: float
    notes: tuple[str, ...] = ()

    @property
    def agrees(self) -> bool:
        """True within `TOLERANCE` of the peak."""
        return self.identical or self.difference <= TOLERANCE


def reading_of(run: Run) -> Activity:
    """Row of the reading of a recorded run.

    Raises
    ------
    InputError
        Where none is recorded.
    """
    if run.reading is None:
        raise InputError("the LENSPROC table records no reading", remedy="only outputs of lensproc replay")
    return run.reading


def recorded_options(reading: Activity, psf: str | None) -> ReadOptions:
    """Rebuild the reading options of a recorded run.

    Raises
    ------
    UsageError
        Where the run used a PSF file and none is given.
    """
    record: dict[str, Any] = json.loads(reading.options)["read"]
    recorded_psf = record.get("psf")
    if recorded_psf and "sha256:" in recorded_psf and psf is None:
        name = recorded_psf.split(" ")[0]
        raise UsageError(f"the run used the PSF file {name}", remedy="give it with --psf")
    center = record.get("lens_center")
    return ReadOptions(
        bands=tuple(record.get("bands", ())),
        pixel_scale=record.get("pixel_scale"),
        pixel_units=record.get("pixel_units"),
        zeropoint=record.get("zeropoint"),
        psf=psf or recorded_psf,
        lens_center=(center[0], center[1]) if center else None,
    )


def replay(output: str, original: str, psf: str | None = None, device: str = "cpu") -> Replay:
    """Run the chain recorded in `output` on `original` and compare the pixels.

    Parameters
    ----------
    output : str
        A file that lensproc wrote.
    original : str
        Its input.
    psf : str, optional
        The PSF file the run used, if it used one.
    device : str
        Where to run.

    Raises
    ------
    LensprocError
        Where either cannot be read, a stage is missing, or the input is another file.
    """
    provenance = read_provenance(output)
    run = latest_run(provenance.activities)
    reading, stages = reading_of(run), run.stages
    hdu = json.loads(reading.options)["hdu"]
    options = recorded_options(reading, psf)
    chosen = [cutout for cutout in read(original, options) if cutout.source.hdu == hdu]
    name = Path(original).name
    if not chosen:
        raise InputError(f"has no image {hdu}, which {Path(output).name} was made from", file=name)
    recorded_sha = str(provenance.primary.get("LPINSHA", ""))
    if chosen[0].source.sha256 != recorded_sha:
        raise InputError(
            f"is not the recorded input: SHA-256 {chosen[0].source.sha256[:12]}…, recorded {recorded_sha[:12]}…",
            file=name,
            remedy="give the original with --input",
        )
    specs = tuple(StageSpec(row.id, json.loads(row.options)) for row in stages)
    dtype = stages[0].dtype if stages else "float32"
    config = PipelineConfig(specs, options, checks="none", dtype=dtype, device=device)
    with Pipeline(config) as pipeline:
        notes = _changes(pipeline, stages)
        (result,) = pipeline.process([chosen])
    if isinstance(result, LensprocError):
        raise result
    return _compare(result, output, notes)


def _changes(pipeline: Pipeline, stages: Sequence[Activity]) -> tuple[str, ...]:
    notes = []
    for link, row in zip(pipeline.links, stages, strict=True):
        recorded = f"{row.dist}=={row.distver}"
        if link.package != recorded:
            notes.append(f"stage {row.id} was {recorded}, is {link.package}")
        hashes = ",".join(data.sha256 for data in chosen_weights(link.manifest, link.options))
        if hashes != row.wsha256:
            notes.append(f"stage {row.id} has other weights than recorded")
    now = software_versions()
    if stages and stages[0].versions != now:
        before, after = json.loads(stages[0].versions), json.loads(now)
        changed = [f"{n} {before.get(n)} → {after.get(n)}" for n in after if before.get(n) != after.get(n)]
        notes.append("versions: " + ", ".join(changed))
    return tuple(notes)


def _compare(result: Enhanced, output: str, notes: tuple[str, ...]) -> Replay:
    from astropy.io import fits

    with fits.open(output) as hdus:
        recorded = np.asarray(hdus["SCI"].data, np.float32)
    image = result.image.data
    if recorded.shape != image.shape:
        return Replay(False, float("inf"), (*notes, f"shape {image.shape}, recorded {recorded.shape}"))
    if np.array_equal(recorded, image, equal_nan=True):
        return Replay(True, 0.0, notes)
    if not np.array_equal(np.isnan(recorded), np.isnan(image)):
        return Replay(False, float("inf"), (*notes, "other pixels are NaN"))
    peak = float(np.nanmax(np.abs(recorded))) or 1.0
    return Replay(False, float(np.nanmax(np.abs(image - recorded))) / peak, notes)
