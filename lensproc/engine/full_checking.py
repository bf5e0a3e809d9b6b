"""The full checks of one cutout: its copies go through the chain again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lensproc.enhanced import Enhanced
from lensproc.errors import LensprocError

if TYPE_CHECKING:
    from lensproc.engine.pipeline import Pipeline
    from lensproc.qc.calibration import Calibration
    from lensproc.qc.quick import Checked


def check_cutout(
    pipeline: Pipeline, enhanced: Enhanced, calibration: Calibration | None
) -> tuple[Enhanced, str, str]:
    """Add the findings of the checks that the pipeline is configured for.

    Parameters
    ----------
    pipeline : Pipeline
        Its configuration says whether the checks are quick or full; full ones run its stages again.
    enhanced : Enhanced
        Result without findings.
    calibration : Calibration or None
        Of the chain; None where no stage of it gives an image, and so there is nothing to compare.

    Returns
    -------
    enhanced : Enhanced
        With findings, sources, planes, and an uncertainty where there was none and the checks are full.
    basis : str
        What the errors of its pixels come from; empty where nothing is said of them.
    reason : str
        Why the checks are quick although full ones were asked for, or none; empty where all is well.
    """
    from lensproc.engine.enhancer import enhancer_of
    from lensproc.qc.full import full_checks
    from lensproc.qc.quick import quick_checks

    if calibration is None:
        return enhanced, "", "not checked: no stage of the chain gives an image, its pixels are the input's"
    reason = ""
    if pipeline.config.checks == "full":
        try:
            full = full_checks(enhanced, calibration, enhancer_of(pipeline))
        except (LensprocError, ArithmeticError, ValueError, IndexError, TypeError) as error:
            reason = f"quick checks only: {type(error).__name__}: {error}"
        else:
            if full.uncertainty is not None:
                enhanced = replace(enhanced, uncertainty=full.uncertainty)
            return _with(enhanced, full.checked), full.basis, ""
    return _with(enhanced, quick_checks(enhanced, calibration)), "", reason


def _with(enhanced: Enhanced, checked: Checked) -> Enhanced:
    return replace(
        enhanced,
        qa={**enhanced.qa, **checked.qa},
        sources=checked.sources,
        planes={**enhanced.planes, **checked.planes},
    )
