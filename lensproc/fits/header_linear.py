"""Rescale the linear part of every WCS in a header: CRPIX and CD, PC + CDELT or CDELT + CROTA."""

from __future__ import annotations

import math
import re

from lensproc.fits.header_cards import Cards, Scale

_VERSION_CARD = re.compile(r"(?:CRPIX\d|CTYPE\d|CRVAL\d|CDELT\d|CUNIT\d|(?:CD|PC)\d_\d)([A-Z]?)$")
_MATRIX = re.compile(r"(CD|PC)(\d)_(\d)([A-Z]?)$")
_OLD_MATRIX = re.compile(r"(CD|PC)00(\d)00(\d)$")


def rescale_linear(cards: Cards, scale: Scale) -> list[str]:
    """Rescale the primary WCS and every alternate A to Z; returns notes on cards dropped."""
    notes: list[str] = []
    for version in sorted({m[1] for m in map(_VERSION_CARD.match, cards) if m} | _old_style(cards)):
        for axis in (1, 2):
            _rescale_reference(cards, scale, axis, version)
        notes += _rescale_matrix(cards, scale, version)
    return notes


def _old_style(cards: Cards) -> set[str]:
    """Return the primary version where PC001001 or CD001001 cards (drafts of the standard) speak of it."""
    return {""} if any(map(_OLD_MATRIX.match, cards)) else set()


def _rescale_reference(cards: Cards, scale: Scale, axis: int, version: str) -> None:
    keyword = f"CRPIX{axis}{version}"
    moved = scale.position(axis, cards.number(keyword, 0.0))
    if keyword in cards:
        cards[keyword] = moved
    else:
        # The standard's default is 0, which lies elsewhere on the new grid.
        after = (f"CRVAL{axis}{version}", f"CTYPE{axis}{version}")
        cards.insert(keyword, moved, "Pixel coordinate of reference point", after)


def _rescale_matrix(cards: Cards, scale: Scale, version: str) -> list[str]:
    """Divide column j of CD and PC by s_j, or CDELT where neither is there, so that all of them keep agreeing."""
    has_cd, has_pc = (bool(_elements(cards, name, version)) for name in ("CD", "PC"))
    rotations = [k for k in (f"CROTA1{version}", f"CROTA2{version}") if k in cards]
    rotated = any(cards.number(k, 0.0) for k in rotations)
    fixed = _increments_are_fixed(cards, version)
    if has_pc and rotated and scale.isotropic and not fixed:
        # PC governs, old readers take CROTA: dividing CDELT keeps both true.
        _divide_increments(cards, scale, version)
    elif has_pc:
        _complete_pc(cards, version)
        _divide_columns(cards, scale, "PC", version)
    elif has_cd:
        _divide_copied_increments(cards, scale, version)
    elif not fixed and (scale.isotropic or not rotated):
        _divide_increments(cards, scale, version)
    else:
        _rotation_to_pc(cards, version)
        _divide_columns(cards, scale, "PC", version)
    if has_cd:
        _divide_columns(cards, scale, "CD", version)
    if rotated and (not scale.isotropic or (fixed and not (has_cd and not has_pc))):
        for keyword in rotations:
            cards.drop(keyword)
        return [f"{', '.join(rotations)}: the rotation stands in the matrix elements only"]
    return []


def _increments_are_fixed(cards: Cards, version: str) -> bool:
    """Whether CDELT must stay: wcslib applies TPV and other sequent distortions after PC and before CDELT.

    The convention means TPV in degrees, where it makes no difference; with CDELT as it was, both readings hold.
    """
    algorithms = {str(cards.get(f"CTYPE{axis}{version}"))[5:8] for axis in (1, 2)}
    return (
        bool(algorithms & {"TPV", "TPD", "TPU"}) or f"CQDIS1{version}" in cards or f"CQDIS2{version}" in cards
    )


def _elements(cards: Cards, name: str, version: str) -> dict[str, tuple[int, int]]:
    """Keywords of a matrix that are present, each with its (i, j), in today's and the draft's spelling."""
    found = {}
    for keyword in cards:
        match = _MATRIX.match(keyword) or (None if version else _OLD_MATRIX.match(keyword))
        if match and match[1] == name and (match.lastindex == 3 or match[4] == version):
            found[keyword] = (int(match[2]), int(match[3]))
    return found


def _divide_columns(cards: Cards, scale: Scale, name: str, version: str) -> None:
    for keyword, (_, j) in _elements(cards, name, version).items():
        if j in (1, 2):
            cards.multiply(keyword, 1 / scale[j])


def _complete_pc(cards: Cards, version: str) -> None:
    """Write the diagonal that the standard takes as 1 where it is missing, since it will not be 1 any more."""
    present = set(_elements(cards, "PC", version).values())
    spelling = "PC{0}_{0}" if any(k.startswith("PC") and _MATRIX.match(k) for k in cards) else "PC00{0}00{0}"
    for axis in (1, 2):
        if (axis, axis) not in present:
            keyword = spelling.format(axis) + version
            cards.insert(keyword, 1.0, "Coordinate transformation matrix element", (f"CDELT{axis}{version}",))


def _divide_increments(cards: Cards, scale: Scale, version: str) -> None:
    for axis in (1, 2):
        keyword = f"CDELT{axis}{version}"
        if not cards.multiply(keyword, 1 / scale[axis]):
            after = (f"CRVAL{axis}{version}", f"CRPIX{axis}{version}")
            cards.insert(keyword, 1 / scale[axis], "Coordinate increment at reference point", after)


def _divide_copied_increments(cards: Cards, scale: Scale, version: str) -> None:
    """CDELT beside CD is read by nobody, yet where it states the pixel's size it shall still do so.

    A CDELT of 1 beside a CD in degrees is a placeholder and stays.
    """
    matrix = {ij: cards.number(k, 0.0) for k, ij in _elements(cards, "CD", version).items()}
    for axis in (1, 2):
        keyword = f"CDELT{axis}{version}"
        side = math.hypot(*(value for (_, j), value in matrix.items() if j == axis))
        if side and math.isclose(abs(cards.number(keyword, 0.0)), side, rel_tol=0.05):
            cards.multiply(keyword, 1 / scale[axis])


def _rotation_to_pc(cards: Cards, version: str) -> None:
    """Write CDELT + CROTA as CDELT + PC (Calabretta & Greisen 2002, A&A 395, 1077).

    The angle is that of the latitude axis, as the standard has it.
    """
    lat = 1 if str(cards.get(f"CTYPE1{version}")).startswith(("DEC", "GLAT", "ELAT")) else 2
    lng = 3 - lat
    rho = math.radians(cards.number(f"CROTA{lat}{version}", 0.0))
    ratio = cards.number(f"CDELT{lat}{version}", 1.0) / cards.number(f"CDELT{lng}{version}", 1.0)
    elements = {
        (lng, lng): math.cos(rho),
        (lng, lat): -math.sin(rho) * ratio,
        (lat, lng): math.sin(rho) / ratio,
        (lat, lat): math.cos(rho),
    }
    for (i, j), value in sorted(elements.items(), reverse=True):
        after = (f"CDELT2{version}", f"CDELT1{version}")
        cards.insert(f"PC{i}_{j}{version}", value, "Coordinate transformation matrix element", after)
