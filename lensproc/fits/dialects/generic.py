"""Any file with an image: the first one is taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lensproc.fits.dialects.multi import companions
from lensproc.fits.dialects.planes import Dialect, Planes, images

if TYPE_CHECKING:
    from astropy.io.fits import Header


def sniff(headers: Sequence[Header]) -> float:
    """Any image will do where nobody knows better."""
    return 0.05 if images(headers) else 0.0


def read(headers: Sequence[Header]) -> list[Planes]:
    """Return the first image with the planes whose names tell what they are."""
    return [companions(headers, i) for i in images(headers)[:1]]


DIALECT = Dialect("generic", sniff, read)
