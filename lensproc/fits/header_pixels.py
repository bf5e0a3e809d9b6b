"""Rescale or drop the cards that speak of pixels without being a WCS of the standard."""

from __future__ import annotations

import re

from lensproc.fits.header_cards import Cards, Scale

_AREA = ("PIXAR_A2", "PIXAR_SR")
# Copies of the pixel's side in many spellings. Not among them: PIXSIZE (microns of the detector), PIXAR (above).
_SIDE = re.compile(r"(?:PIX(?:EL)?_?SCA?L(?:E)?|PIXELSCL|SECPIX)([12XY]?)$")
_PHYSICAL = re.compile(r"LT[VM]\d")
_SECTION = re.compile(r"(?:.*[. ])?[A-Z]*SEC[A-Z0-9]?$")
_SECTION_VALUE = re.compile(r"\s*(\[[\d\s:,*-]+\])?\s*$")


def rescale_pixel_properties(cards: Cards, scale: Scale) -> None:
    """Rescale pixel areas and sides, physical coordinates of IRAF (LTV, LTM) and plate solutions of the DSS."""
    for keyword in _AREA:
        cards.multiply(keyword, 1 / (scale.x * scale.y))
    mean = (scale.x * scale.y) ** 0.5
    for keyword in cards:
        if match := _SIDE.match(keyword):
            side = {"": mean, "1": scale.x, "X": scale.x, "2": scale.y, "Y": scale.y}[match[1]]
            cards.multiply(keyword, 1 / side)
    if any(map(_PHYSICAL.match, cards)):
        _rescale_physical(cards, scale)
    if "AMDX1" in cards:
        _rescale_plate(cards, scale)


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
                after = ("LTM1_1", "LTV2", "LTV1")
                cards.insert(keyword, scale[i], "Physical to image coordinates: scale", after)


def _rescale_plate(cards: Cards, scale: Scale) -> None:
    """Rescale the plate solution of the DSS, which wcslib obeys before the WCS cards beside it.

    Pixel p lies at (PPO - XPIXELSZ (p + CNPIX - 1/2)) / 1000 mm on the plate, and only that step knows pixels;
    p + CNPIX - 1/2 is counted from a pixel's edge, so both cards scale by a mere factor.
    """
    for axis, size in ((1, "XPIXELSZ"), (2, "YPIXELSZ")):
        if cards.multiply(f"CNPIX{axis}", scale[axis]) and cards[f"CNPIX{axis}"].is_integer():
            # Some readers take nothing but an integer here.
            cards[f"CNPIX{axis}"] = int(cards[f"CNPIX{axis}"])
        cards.multiply(size, 1 / scale[axis])


def drop_sections(cards: Cards) -> list[str]:
    """Drop sections in pixels ([x1:x2,y1:y2]), which only hold on the input's grid; returns a note."""
    sections = [k for k in cards if _SECTION.match(k) and _is_section(cards[k])]
    for keyword in sections:
        cards.drop(keyword)
    return [f"{', '.join(sections)}: sections in pixels of the input"] if sections else []


def _is_section(value: object) -> bool:
    return isinstance(value, str) and _SECTION_VALUE.match(value) is not None
