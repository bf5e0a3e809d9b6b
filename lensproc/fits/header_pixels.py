"""Rescale or drop the cards that speak of pixels without being a WCS."""

from __future__ import annotations

import re

from lensproc.fits.header_cards import Cards, Scale

_AREA = ("PIXAR_A2", "PIXAR_SR")
# Copies of the pixel's side in many spellings. Not among them: PIXSIZE (microns of the detector), PIXAR (above).
_SIDE = re.compile(r"(?:PIX(?:EL)?_?SCA?L(?:E)?|PIXELSCL|SECPIX)([12XY]?)$")
_PHYSICAL = re.compile(r"LT[VM]\d")
_PLATE = re.compile(
    r"AMD(?:[XY]\d+|RE[XY]\d*)$|CNPIX[12]$|PLTRA[HMS]$|PLTDEC(?:SN|[DMS])$|PPO\d$|[XY]PIXELSZ$"
)
_SECTION = re.compile(r"(?:.*[. ])?[A-Z]*SEC[A-Z0-9]?$")
_SECTION_VALUE = re.compile(r"\s*(\[[\d\s:,*-]+\])?\s*$")


def rescale_pixel_properties(cards: Cards, scale: Scale) -> list[str]:
    """Rescale pixel areas, pixel sides and the physical coordinates of IRAF (LTV, LTM)."""
    for keyword in _AREA:
        cards.multiply(keyword, 1 / (scale.x * scale.y))
    mean = (scale.x * scale.y) ** 0.5
    for keyword in cards:
        if match := _SIDE.match(keyword):
            side = {"": mean, "1": scale.x, "X": scale.x, "2": scale.y, "Y": scale.y}[match[1]]
            cards.multiply(keyword, 1 / side)
    if any(map(_PHYSICAL.match, cards)):
        _rescale_physical(cards, scale)
    return []


def _rescale_physical(cards: Cards, scale: Scale) -> None:
    """Rescale image = LTM physical + LTV; missing cards are those of the identity and must then be written."""
    for i in (1, 2):
        vector = f"LTV{i}"
        moved = scale[i] * cards.number(vector, 0.0) + 0.5 * (1 - scale[i])
        if vector in cards:
            cards[vector] = moved
        else:
            cards.insert(vector, moved, "Physical to image coordinates: offset", ("LTV1", f"LTM{i}_{i}"))
        for j in (1, 2):
            keyword = f"LTM{i}_{j}"
            if not cards.multiply(keyword, scale[i]) and i == j:
                cards.insert(
                    keyword, scale[i], "Physical to image coordinates: scale", ("LTM1_1", "LTV2", "LTV1")
                )


def drop_stale(cards: Cards) -> list[str]:
    """Drop cards that only hold on the input's grid: sections in pixels and plate solutions of the DSS."""
    notes = []
    sections = [k for k in cards if _SECTION.match(k) and _is_section(cards[k])]
    plate = [k for k in cards if _PLATE.match(k)]
    for keyword in (*sections, *plate):
        cards.drop(keyword)
    if sections:
        notes.append(f"{', '.join(sections)}: sections in pixels of the input")
    if plate:
        kept = "the WCS cards say the same" if "CTYPE1" in cards else "the header has no other WCS"
        notes.append(
            f"{plate[0]} and {len(plate) - 1} more: plate solution in pixels of the scanned plate; {kept}"
        )
    return notes


def _is_section(value: object) -> bool:
    return isinstance(value, str) and _SECTION_VALUE.match(value) is not None
