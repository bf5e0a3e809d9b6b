"""Which images of a file are wanted, and what they are called."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lensproc.cutout import UNKNOWN, Resolved
from lensproc.errors import InputError
from lensproc.fits.dialects.planes import Planes, facts, images
from lensproc.fits.headers import band, is_celestial, merged
from lensproc.fits.options import ReadOptions

if TYPE_CHECKING:
    from astropy.io.fits import Header


@dataclasses.dataclass(frozen=True)
class Chosen:
    """An image to be read.

    Parameters
    ----------
    planes : Planes
        Its HDUs.
    band : Resolved[str]
        Its filter.
    hdu : str
        Its HDU in words, ``SCI,2`` or ``0[3]``.
    """

    planes: Planes
    band: Resolved[str]
    hdu: str


def hdu_name(headers: Sequence[Header], i: int, plane: int | None = None) -> str:
    """Name an HDU: EXTNAME where it is the only one of that name, else with EXTVER, else its number.

    Examples
    --------
    >>> from astropy.io.fits import Header
    >>> sci = [Header({"EXTNAME": "SCI", "EXTVER": i}) for i in (1, 2)]
    >>> hdu_name(sci, 1), hdu_name(sci[:1], 0), hdu_name([Header()], 0, plane=3)
    ('SCI,2', 'SCI', '0[3]')
    """
    known = facts(headers)
    name, version = known[i].name, known[i].version
    same = [fact.version for fact in known if fact.name == name]
    label = name if len(same) == 1 else f"{name},{version}"
    if not name or same.count(version) > 1:
        label = str(i)
    return label if plane is None else f"{label}[{plane}]"


def choose(
    headers: Sequence[Header], found: Sequence[Planes], options: ReadOptions, dialect: str, file: str
) -> tuple[list[Chosen], list[str]]:
    """Pick the images to read, and say which were read over.

    Planes of a cube that nobody names are refused, unless ``options.bands`` names them all. Of several images of
    the same filter (the chips of a camera) the first with sky coordinates is read.

    Returns
    -------
    chosen : list of Chosen
        In the order of the file.
    warnings : list of str
        What was left out.

    Raises
    ------
    InputError
        Where there is no image, where its planes have no names, or none has a name that was asked for.
    """
    if not found:
        raise InputError(f"dialect {dialect} finds no science image in it", file=file)
    items: list[Chosen] = []
    for planes in found:
        items += _split_cube(headers, _checked(headers, planes, dialect, file), options, file)
    if not options.bands:
        return _one_per_band(headers, items)
    wanted = [name.replace(":", ",").casefold() for name in options.bands]
    picked = [item for item in items if _names(item) & set(wanted)]
    if picked:
        missing = [name for name in wanted if not any(name in _names(item) for item in picked)]
        warnings = [f"no band {name} in this file" for name in missing]
        by_hdu = all(item.hdu.casefold() in wanted for item in picked)
        chosen, more = (picked, []) if by_hdu else _one_per_band(headers, picked)
        return chosen, warnings + more
    if len(items) == 1 and len(wanted) == 1 and not items[0].band:
        return [dataclasses.replace(items[0], band=Resolved(options.bands[0], "option"))], []
    there = ", ".join(dict.fromkeys(item.band.value or item.hdu for item in items))
    asked = ", ".join(options.bands)
    raise InputError(f"has no band {asked}", file=file, remedy=f"it has {there}; choose with --band")


def _names(item: Chosen) -> set[str]:
    names = {item.hdu, item.band.value or item.hdu, item.planes.name or item.hdu}
    return {name.casefold() for name in names}


def _checked(headers: Sequence[Header], planes: Planes, dialect: str, file: str) -> Planes:
    if not isinstance(planes, Planes):
        raise InputError(
            f"dialect {dialect} answers with {type(planes).__name__}, expected Planes", file=file
        )
    for what in ("science", "variance", "mask", "psf"):
        i = getattr(planes, what)
        if i is not None and i not in images(headers):
            raise InputError(f"dialect {dialect} names HDU {i} as {what}, which is no image", file=file)
    return planes


def _split_cube(headers: Sequence[Header], planes: Planes, options: ReadOptions, file: str) -> list[Chosen]:
    """One entry for a 2-D image, one per plane for a cube whose planes have been named by ``--band``."""
    header, i = headers[planes.science], planes.science
    shape = facts(headers)[i].shape
    label = hdu_name(headers, i, planes.plane)
    number = 1
    for side in shape[:-2]:
        number *= side
    if number > 1 and planes.plane is None:
        if len(options.bands) != number:
            example = ",".join("griz"[:number]) if number <= 4 else "a,b,c,..."
            given = f" (--band gives {len(options.bands)})" if options.bands else ""
            raise InputError(
                f"{label} is a cube of {number} planes {shape}, and nothing says that they are bands{given}",
                file=file,
                remedy=f"name all {number} with --band {example} or a BANDS card, or split it into 2-D images",
            )
        return [
            Chosen(
                dataclasses.replace(planes, plane=k, band=name),
                Resolved(name, "option"),
                hdu_name(headers, i, k),
            )
            for k, name in enumerate(options.bands)
        ]
    if planes.plane is not None and not 0 <= planes.plane < number:
        raise InputError(f"{label}: the cube has {number} planes", file=file)
    if planes.band:
        return [Chosen(planes, Resolved(planes.band, planes.name or "header BANDS"), label)]
    name = band(header)
    if not name and planes.inherit and i:
        name = band(merged(header, headers[0]))
    return [Chosen(planes, name or UNKNOWN, label)]


def _one_per_band(headers: Sequence[Header], items: Sequence[Chosen]) -> tuple[list[Chosen], list[str]]:
    groups: dict[str, list[Chosen]] = {}
    for item in items:
        groups.setdefault(item.band.value or "", []).append(item)
    chosen: list[Chosen] = []
    warnings: list[str] = []
    for group in groups.values():
        best = next((item for item in group if is_celestial(headers[item.planes.science])), group[0])
        chosen.append(best)
        others = ", ".join(item.hdu for item in group if item is not best)
        if others:
            of = f" of band {best.band.value}" if best.band else ""
            warnings.append(
                f"{len(group)} images{of}: {best.hdu} is read; --band {group[-1].hdu.replace(',', ':')} and the"
                f" like choose another of {others}"
            )
    return chosen, warnings


def refuse_without_image(headers: Sequence[Header], file: str) -> None:
    """Refuse a file that has no image, and say what it has instead.

    Raises
    ------
    InputError
        Where no HDU has pixels on two axes or more.
    """
    if not images(headers):
        raise InputError(_instead_of_image(headers), file=file, remedy="give a file with a 2-D image")


def _instead_of_image(headers: Sequence[Header]) -> str:
    known = facts(headers)
    for i, fact in enumerate(known):
        shape = fact.shape if fact.kind == "IMAGE" else ()
        if len(shape) == 1 and shape[0]:
            return f"has no image: HDU {i} is 1-D ({shape[0]} values)"
        if shape and not all(shape):
            return f"has no image: HDU {i} has an axis of length 0 {shape}"
    kinds = sum(fact.is_image for fact in known[1:])
    if len(headers) == 1:
        return "has no image: there is a header and no data"
    return f"has no image: {len(headers) - 1} extensions, {kinds} of them images, none with pixels"
