"""The calibration that the checks of a chain rest on: shipped with its stage, or measured now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from lensproc.engine.chain import Link

if TYPE_CHECKING:
    from lensproc.engine.pipeline import Pipeline
    from lensproc.qc.calibration import Calibration


def shipped_calibration(links: Sequence[Link]) -> tuple[Calibration | None, str]:
    """Find the calibration that ships for a chain.

    Parameters
    ----------
    links : sequence of Link
        Stages of the chain.

    Returns
    -------
    calibration : Calibration or None
        None where there is none.
    source : str
        SHA-256 of the file that holds it; where there is none, the reason in words, empty for a chain that gives
        no image.

    Raises
    ------
    WeightsError
        Where the file that the manifest names is missing or another one.
    """
    from lensproc.contract.datafiles import verified_path
    from lensproc.qc.calibration_file import find_calibration

    enhancing = [link for link in links if link.manifest.kind == "enhance"]
    if not enhancing:
        return None, ""
    if len(enhancing) > 1:
        return None, f"none ships for {' and '.join(link.manifest.id for link in enhancing)} together"
    link = enhancing[0]
    file = link.manifest.calibration
    if file is None:
        return None, f"none ships with {link.manifest.id}"
    text = verified_path(link.manifest, file).read_text(encoding="utf-8")
    found = find_calibration(text, link.options, link.manifest.version)
    if found is not None:
        return found, file.sha256
    options = ", ".join(f"{name}={value}" for name, value in link.options.items()) or "no options"
    return None, f"none ships for {link.manifest.id} {link.manifest.version} with {options}"


def calibration_for(pipeline: Pipeline) -> tuple[Calibration | None, str, str]:
    """Find the calibration of a chain, or measure it on blanks, and on scenes where the checks are full.

    Returns
    -------
    calibration : Calibration or None
        None where no stage gives an image.
    sha256 : str
        Of the file that it comes from; empty where it was measured now.
    reason : str
        Why it was measured now; empty where it was not.
    """
    from lensproc.engine.enhancer import enhancer_of, results_of
    from lensproc.qc.calibration import measure_calibration
    from lensproc.qc.error_calibration import measure_conformal

    shipped, source = shipped_calibration(pipeline.links)
    if shipped is not None:
        return shipped, source, ""
    if not source:
        return None, "", ""
    measured = measure_calibration(enhancer_of(pipeline))
    if pipeline.config.checks == "full":
        measured = replace(measured, conformal=measure_conformal(results_of(pipeline)))
    return measured, "", source
