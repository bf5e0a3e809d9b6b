"""Rescale what bends a WCS in pixels: SIP polynomials and the records of look-up tables."""

from __future__ import annotations

import re

from lensproc.errors import InputError
from lensproc.fits.header_cards import Cards, Scale

_SIP = re.compile(r"([AB])P?_(\d+)_(\d+)$")
_SHIFTED_AXIS = {"A_DMAX": 1, "B_DMAX": 2, "CPERR1": 1, "CPERR2": 2, "D2IMERR1": 1, "D2IMERR2": 2}


def rescale_distortion(cards: Cards, scale: Scale) -> None:
    """Rescale SIP coefficients and largest distortions; TPV, ZPN and the like act on degrees and stay.

    Raises
    ------
    InputError
        For a pixel distortion other than a look-up table (CPDIS = 'Polynomial', say).
    """
    for keyword in cards:
        if match := _SIP.match(keyword):
            p, q = int(match[2]), int(match[3])
            # A polynomial from pixels to pixels: each term takes s of the axis it shifts and loses s_x^p s_y^q.
            cards.multiply(keyword, scale[1 if match[1] == "A" else 2] / (scale.x**p * scale.y**q))
        elif axis := _SHIFTED_AXIS.get(keyword):
            cards.multiply(keyword, scale[axis])
    for keyword in ("CPDIS1", "CPDIS2", "D2IMDIS1", "D2IMDIS2"):
        if keyword in cards and str(cards[keyword]).strip().upper() != "LOOKUP":
            raise InputError(
                f"{keyword} = {cards[keyword]!r} is a pixel distortion that cannot be put on another grid "
                "(only 'Lookup' can)",
                remedy="remove the card and its records, or fit SIP to it, if its shift of the sky may be lost",
            )
