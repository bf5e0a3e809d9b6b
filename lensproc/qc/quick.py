"""The quick checks: everything that can be said of one cutout without running the network again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lensproc.enhanced import Enhanced, Plane, Rows, Value
from lensproc.qc import fidelity
from lensproc.qc.calibration import Calibration
from lensproc.qc.catalog import Catalog, catalogue
from lensproc.qc.changes import small_changes
from lensproc.qc.domain import domain_findings
from lensproc.qc.keywords import value_of
from lensproc.qc.pair import Pair, side_by_side
from lensproc.qc.redraws import FinderNoise
from lensproc.qc.residual_peak import residual_peak
from lensproc.qc.table import empty_rows, rows_of
from lensproc.qc.verdict import UNMEASURED, Finding, overall

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Checked:
    """What the checks say of one cutout.

    Parameters
    ----------
    qa : mapping of str to Value
        Quality keywords, ``QASTAT`` first.
    sources : Rows
        The ``SOURCES`` table.
    planes : mapping of str to Plane
        ``FIDELITY``: (x - H y)/s on the input's grid; empty where it cannot be made.
    """

    qa: Mapping[str, Value]
    sources: Rows
    planes: Mapping[str, Plane] = field(default_factory=dict)


def quick_checks(enhanced: Enhanced, calibration: Calibration | None) -> Checked:
    """Check an enhanced cutout against its input's pixels.

    Parameters
    ----------
    enhanced : Enhanced
        Input and output.
    calibration : Calibration or None
        Of the chain; None for one that leaves the pixels alone.

    Returns
    -------
    Checked
        What cannot be measured is None: without noise nearly everything, without a PSF the sources.

    Raises
    ------
    ValueError
        Where the output's shape is not the input's times the scale.
    """
    pair = side_by_side(enhanced)
    if pair is None:
        return _without_noise(enhanced)
    return check_pair(pair, calibration)


def check_pair(
    pair: Pair,
    calibration: Calibration | None,
    redrawn: FinderNoise | None = None,
    more: Mapping[str, Finding] | None = None,
) -> Checked:
    """Check an input and an output that stand side by side.

    Parameters
    ----------
    pair : Pair
        Input and output.
    calibration : Calibration or None
        Of the chain.
    redrawn : FinderNoise, optional
        Noise of the finder from redraws, instead of the calibration's.
    more : mapping of str to Finding, optional
        Further findings by keyword.
    """
    changes = small_changes(pair)
    findings: dict[str, Finding] = {
        "QAFIN": fidelity.non_finite(pair),
        "QANEG": fidelity.too_negative(pair),
        "QAFLX": fidelity.flux_change(pair, changes),
        "QABKG": fidelity.background_shift(pair),
        "QASHFT": fidelity.image_shift(pair, changes),
        "QACHI2": fidelity.residual_chi2(pair),
    }
    findings["QACHIP"], chance = residual_peak(pair)
    findings["QARHO1"] = fidelity.residual_correlation(pair)
    findings.update(domain_findings(pair.cutout, pair.noise, calibration.domain if calibration else None))
    findings.update(more or {})
    found = catalogue(pair, calibration, redrawn)
    if found is not None:
        findings.update(found.findings)
    return Checked(
        qa=_keywords(findings, found, chance),
        sources=empty_rows() if found is None else rows_of(found, pair),
        planes=_fidelity_plane(pair),
    )


def _keywords(
    findings: Mapping[str, Finding], found: Catalog | None, chance: float | None
) -> dict[str, Value]:
    states = [finding.state for finding in findings.values()]
    judged = found is not None and findings["QACHI2"].value is not None
    status = overall(states, len(found) if found is not None and judged else None)
    qa = {"QASTAT": value_of("QASTAT", Finding(None), word=status)}
    for name, finding in findings.items():
        qa[name] = value_of(name, finding, chance=chance if name == "QACHIP" else None)
    return qa


def _without_noise(enhanced: Enhanced) -> Checked:
    scale = round(enhanced.scale)
    was = np.isfinite(enhanced.original.data).repeat(scale, 0).repeat(scale, 1)
    finding = fidelity.fraction_non_finite(was, enhanced.image.data)
    names = ("QANEG", "QAFLX", "QABKG", "QASHFT", "QACHI2", "QACHIP", "QARHO1", "QAOOD", "QARANG")
    findings = {"QAFIN": finding} | dict.fromkeys(names, UNMEASURED)
    return Checked(_keywords(findings, None, None), empty_rows())


def _fidelity_plane(pair: Pair) -> dict[str, Plane]:
    plane = fidelity.residual_plane(pair)
    if plane is None:
        return {}
    description = "(input - H output) / noise; NaN where it cannot be judged"
    return {"FIDELITY": Plane(plane.astype(np.float32), scale=1.0, description=description)}
