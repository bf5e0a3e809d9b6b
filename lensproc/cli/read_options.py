"""The options that say what a file does not say itself, shared by every command that reads files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from lensproc.errors import UsageError

if TYPE_CHECKING:
    from lensproc.fits.options import ReadOptions

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--band",
        "bands",
        multiple=True,
        metavar="A,B",
        help="Bands to read; names the planes of a cube that does not.  [default: all]",
    ),
    click.option(
        "--pixel-scale", type=float, metavar="ARCSEC", help="Side of a pixel, where the header has no WCS."
    ),
    click.option(
        "--pixel-units",
        type=click.Choice(["flux", "surface-brightness"]),
        help="What a pixel value is, where the unit does not say.",
    ),
    click.option("--zeropoint", type=float, metavar="MAG", help="AB magnitude of one unit."),
    click.option(
        "--psf", metavar="FWHM|FILE", help="FWHM in arcsec (0.6) or pixels (3.1px), or a FITS image of it."
    ),
    click.option("--lens-center", metavar="X,Y", help="Lens, in pixels counted from 0."),
)


def read_options(command: F) -> F:
    """Add the reading options to a command, which gets them as keyword arguments."""
    decorated: Any = command
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return cast(F, decorated)


def build_read_options(arguments: Mapping[str, object]) -> ReadOptions:
    """Make `ReadOptions` of the keyword arguments that `read_options` adds.

    Raises
    ------
    UsageError
        For a value that makes no sense.
    """
    from lensproc.fits.options import ReadOptions
    from lensproc.fits.resolve import check_options

    bands = cast("tuple[str, ...]", arguments.get("bands") or ())
    units = arguments.get("pixel_units")
    options = ReadOptions(
        bands=tuple(name.strip() for text in bands for name in text.split(",") if name.strip()),
        pixel_scale=cast("float | None", arguments.get("pixel_scale")),
        pixel_units=None if units is None else "flux" if units == "flux" else "surface brightness",
        zeropoint=cast("float | None", arguments.get("zeropoint")),
        psf=cast("str | None", arguments.get("psf")),
        lens_center=_pair(cast("str | None", arguments.get("lens_center"))),
    )
    check_options(options)
    return options


def _pair(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    try:
        x, y = (float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--lens-center {text}: give X,Y in pixels, as 31.5,30") from None
    return x, y
