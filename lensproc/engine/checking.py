"""The checks as the last step of a pipeline: calibration found or made, findings and records added."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from lensproc.engine.calibrating import calibration_for
from lensproc.engine.full_checking import check_cutout
from lensproc.engine.inputs import describe_read_options
from lensproc.engine.third_party_checks import add_findings, collect_checks
from lensproc.enhanced import Activity, Enhanced, Value
from lensproc.errors import LensprocError
from lensproc.fits.provenance import (
    canonical_json,
    durations_are_zero,
    latest_run,
    pixels_sha256,
    software_versions,
    timestamp,
)
from lensproc.fits.read import ReadOptions

if TYPE_CHECKING:
    from lensproc.engine.pipeline import Pipeline


def record_reading(enhanced: Enhanced, options: ReadOptions) -> Enhanced:
    """Put row 0 before the stages: what was read, what the user said, and what each property came from."""
    from lensproc import __version__

    cutout = enhanced.original
    resolved = {
        name: {"value": _plain(getattr(cutout, name).value), "source": getattr(cutout, name).source}
        for name in ("unit", "amplitude", "zeropoint", "pixel_scale", "psf", "band", "lens_center")
    }
    record = {
        "hdu": cutout.source.hdu,
        "dialect": cutout.source.dialect,
        "read": describe_read_options(options),
        "resolved": resolved,
    }
    reading = Activity(
        stage=0,
        id="read",
        kind="core",
        dist="lensproc",
        distver=__version__,
        options=canonical_json(record),
        insha=pixels_sha256(cutout.data),
        t_start=timestamp(),
        versions=software_versions(),
        message="; ".join(cutout.warnings),
    )
    return replace(enhanced, activities=(*cutout.history, reading, *enhanced.activities))


def _plain(value: object) -> object:
    from lensproc.cutout import PSF

    if isinstance(value, PSF):
        return {"fwhm": value.fwhm, "image": None if value.image is None else pixels_sha256(value.image)}
    return list(value) if isinstance(value, tuple) else value


class Checker:
    """The quality checks for one pipeline.

    Parameters
    ----------
    pipeline : Pipeline
        Whose results are checked; its stages are run on blanks where no calibration ships with them.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.calibration, self.calibration_sha256, self.reason_measured = calibration_for(pipeline)
        self.registered = collect_checks(pipeline.registry)

    def check(self, enhanced: Enhanced) -> Enhanced:
        """Add the findings, the ``SOURCES`` table, and the row that records them.

        Notes
        -----
        Checks must never cost a result: where one raises, QASTAT is UNKNOWN and the row says why; where only what
        the full checks add fails, the quick ones stay.
        """
        from lensproc import __version__

        clock, started = time.perf_counter(), timestamp()
        failure = reason = basis = ""
        try:
            enhanced, basis, reason = check_cutout(self.pipeline, enhanced, self.calibration)
        except (LensprocError, ArithmeticError, ValueError, IndexError, TypeError) as error:
            failure = f"{type(error).__name__}: {error}"
            enhanced = replace(enhanced, qa={"QASTAT": Value("UNKNOWN", description="the checks failed")})
        enhanced, troubles = add_findings(enhanced, self.registered)
        activity = Activity(
            stage=1 + max((a.stage for a in latest_run(enhanced.activities).stages), default=0),
            id="checks",
            kind="core",
            dist="lensproc",
            distver=__version__,
            options=canonical_json(
                {
                    "checks": self.pipeline.config.checks,
                    "calibrated_in_memory": bool(self.reason_measured),
                    "calibration": self.calibration_sha256 or self.reason_measured,
                    "output_psf": enhanced.output_psf,
                    "registered": self.registered.describe(),
                    "uncertainty": basis,
                }
            ),
            insha=pixels_sha256(enhanced.image.data),
            t_start=started,
            elapsed=0.0 if durations_are_zero() else time.perf_counter() - clock,
            versions=software_versions(),
            status="FAILED" if failure else "OK",
            message="; ".join(filter(None, (failure, reason, *troubles))),
        )
        return replace(enhanced, activities=(*enhanced.activities, activity))
