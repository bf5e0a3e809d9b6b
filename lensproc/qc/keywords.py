"""Names, units and one-line meanings of the quality keywords."""

from __future__ import annotations

from lensproc.enhanced import Value
from lensproc.qc.verdict import Finding

MEANING: dict[str, tuple[str, str]] = {
    "QASTAT": ("", "FAIL, WARN, UNKNOWN (no PSF), NOSRC or PASS"),
    "QAFIN": ("", "fraction of new non-finite pixels"),
    "QANEG": ("", "fraction of pixels 5 sigma below the sky"),
    "QAFLX": ("%", "flux in the largest circle, out/in - 1"),
    "QABKG": ("", "background shift in sigma"),
    "QASHFT": ("pix", "shift of H(output) against input"),
    "QACHI2": ("", "mean (input - H(output))^2/sigma^2"),
    "QACHIP": ("", "largest residual peak in sigma"),
    "QARHO1": ("", "lag-1 correlation of residual less sky"),
    "QANIN": ("", "candidates in the input"),
    "QANOUT": ("", "candidates in the output"),
    "QANMAT": ("", "candidates matched"),
    "QANLOST": ("", "sources lost"),
    "QANNEW": ("", "new sources that the input supports"),
    "QANHAL": ("", "sources that the input denies"),
    "QADX": ("pix", "rms offset of matched sources"),
    "QADMAG": ("mag", "median magnitude change of matched"),
    "QAUNC": ("", "median 90 % half-width in sigma"),
    "QATTA": ("", "scatter under flips and turns in sigma"),
    "QAOOD": ("", "chance to be as unlike the training data"),
    "QARANG": ("", "fraction of pixels outside trained range"),
}
"""Keyword to (FITS unit, comment), in the order of the header."""


def value_of(name: str, finding: Finding, *, word: str | None = None, chance: float | None = None) -> Value:
    """Header card of a finding.

    Parameters
    ----------
    name : str
        Keyword.
    finding : Finding
        What was measured.
    word : str, optional
        Instead of a number, for QASTAT.
    chance : float, optional
        Chance of the value in pure noise, told in the comment.
    """
    unit, meaning = MEANING[name]
    if word is not None:
        return Value(word, unit=unit, description=meaning)
    meaning = finding.remark or meaning
    if chance is not None:
        meaning += f", p={chance:.1g}"
    value = finding.value if isinstance(finding.value, int | None) else float(finding.value)
    error = None if finding.error is None else float(finding.error)
    return Value(value, error=error, unit=unit, description=meaning)
