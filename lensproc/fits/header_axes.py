"""Bring the WCS of one plane of a cube down to the two axes of the image."""

from __future__ import annotations

import re

from lensproc.fits.header_cards import Cards

_FURTHER = re.compile(
    r"(?:CRPIX|CDELT|CROTA|CTYPE|CRVAL|CUNIT|CNAME|CRDER|CSYER)([3-9])[A-Z]?$"
    r"|(?:CD|PC)(?:([3-9])_\d|\d_([3-9]))[A-Z]?$|(?:PV|PS)([3-9])_\d+[A-Z]?$"
    r"|(?:CD|PC)(?:00([3-9])00\d|00\d00([3-9]))$"
)
_SKY = re.compile(r"RA--|DEC-|.?.L(?:ON|AT|N|T)-")
_COUPLING = re.compile(r"(?:CD|PC)(?:[12]_[3-9]|[3-9]_[12])[A-Z]?$|(?:CD|PC)00(?:[12]00[3-9]|[3-9]00[12])$")


def drop_further_axes(cards: Cards) -> list[str]:
    """Drop the cards of axes 3 and up, which a two-dimensional image does not have.

    They stay, and a note says so, where a matrix element mixes them with the image's own axes, so that the sky of
    a pixel depends on the plane it was taken from, and where one of them is half of the sky itself.
    """
    further = [k for k in cards if _FURTHER.match(k)]
    if not further:
        return []
    coupled = [k for k in further if _COUPLING.match(k) and cards.number(k, 0.0)]
    if coupled:
        return [f"{', '.join(coupled)}: mixes the image with a further axis; its WCS is kept with all axes"]
    sky = [k for k in further if k.startswith("CTYPE") and _SKY.match(str(cards[k]))]
    if sky:
        return [f"{', '.join(sky)}: the sky is not on the image's own axes; its WCS is kept with all axes"]
    for keyword in further:
        cards.drop(keyword)
    for keyword in cards:
        if re.match(r"WCSAXES[A-Z]?$|WCSDIM$", keyword):
            cards[keyword] = 2
    return [f"{', '.join(further)}: axes that a two-dimensional image does not have"]
