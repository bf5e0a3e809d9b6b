"""Every limit of the checks in one place. ``docs/quality.md`` says what each means."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limit:
    """Up to where a measured quantity passes, and from where it fails; between the two it is a warning.

    Parameters
    ----------
    passes, fails : float
        In the unit of the keyword.
    """

    passes: float
    fails: float


LIMITS = {
    # measured on simulated scenes with bicubic, Richardson-Lucy, non-local means and total variation (qc.md)
    "QAFIN": Limit(0.0, 0.0),
    "QANEG": Limit(1e-3, 1e-2),
    "QAFLX": Limit(1.0, 3.0),
    "QASHFT": Limit(0.05, 0.1),
    "QANLOST": Limit(0.0, 0.0),
    "QANHAL": Limit(0.0, 0.0),
    "QADX": Limit(0.1, 0.25),
    "QADMAG": Limit(0.01, 0.03),
    # judgement, to be fitted again on our own networks
    "QABKG": Limit(0.1, 0.3),
    "QARHO1": Limit(0.1, 0.2),
    "QATTA": Limit(1.0, 3.0),
    "QARANG": Limit(1e-3, 1e-2),
}
"""Two-sided in the size of the quantity, except QARHO1, of which only an excess counts."""

CHI2_PASSES = (0.8, 1.2)
CHI2_FAILS = 1.5
CHI2_COPIED = 0.5
"""Below this the residual is smaller than the noise: it was copied (a warning). qc.md, measured."""

DOMAIN_PASSES = 0.05
DOMAIN_FAILS = 0.01
"""Chance that an image of the training data is as unlike them as this one (QAOOD). A chance: 1 % of them fail."""

CHIP_PASSES = 0.01
CHIP_FAILS = 1e-5
"""Chance of the largest residual peak among the independent beams of the image. qc.md."""

SIGNIFICANT = 3.0
"""A limit counts as broken only where the excess is this many times the photon error of the input. qc.md."""

FINDER_SNR = 5.0
"""Threshold of the finder in units of its own noise. qc.md, measured."""

FINDER_FLOOR_SNR = 4.0
"""On an enhanced image the threshold stays above a point source of this SNR in the input. qc.md, measured."""

TEXTURE_SNR = 8.0
"""How far above the texture of the light about it a candidate must stand, in its robust scatter: more than above
noise, because the tails of texture are longer than those of a normal distribution. Measured on RXJ1131-1231 (HST):
54 candidates on the input at 5, 36 at 8, 172 without."""

TEXTURE_RING = (2.5, 8.0)
"""Inner and outer radius of the ring in which the texture is measured [FWHM]. Measured on simulated quads."""

TEXTURE_EXCESS = 1.5
"""Scatter in units of the noise from which it counts as texture. Judgement."""

SEPARATION = 0.5
"""Closest two candidates may be, in FWHM of the image searched; and the reach of a match, in input FWHM. qc.md."""

RING = (1.0, 1.6)
"""Inner and outer radius of the ring whose median is subtracted [FWHM]. qc.md, measured."""

SHARPNESS = (0.1, 1.4)
ROUNDNESS = (-1.5, 1.5)
"""Loose shape cuts of DAOStarFinder; tight ones lose half the quasars. qc.md, measured."""

SIGMA_RADIUS = 2.5
"""Radius of the finder's kernel [σ]; the default of 1.5 keeps a third of a source's SNR. qc.md, measured."""

NUCLEUS = 0.75
"""Radius about the centre within which candidates are dropped, where the lens is seen (`lensproc.qc.nucleus`)
[input FWHM]. qc.md, measured."""

BORDER = 5
"""Candidates nearer to the edge are dropped [input px]; an eighth of the side in images below 40 px. qc.md."""

POINT_BLOBNESS = 0.35
KNOT_BLOBNESS = 0.1
"""Smaller over larger curvature of the peak: from here a POINT, from here a KNOT, below an ARC. qc.md."""

SUPPORTED_SNR = 5.0
"""Forced SNR on the input from which a candidate of the output counts as real. qc.md, measured."""

UNSUPPORTED_SNR = 3.0
"""Forced SNR below which a claimed source is invented, if it also claims more than the input allows. qc.md."""

LOST_SNR = 7.0
"""SNR in the input from which a source that is missing in the output counts as lost. qc.md."""

LOST_FLUX = 0.5
"""Part of the flux that must be gone from H y for a source to be lost. Judgement."""

PAIR_DCHI2 = 25.0
"""Δχ² by which two PSFs must beat one on the input for a pair to be claimed. qc.md, measured."""

PAIR_SEPARATION = 1.0
"""A new candidate this near to a matched one claims a pair [input FWHM]. Judgement."""

SMALLEST_SIDE = 4.0
"""No sources are looked for in images smaller than this [FWHM]: the recipe's rings would not fit. Judgement."""
