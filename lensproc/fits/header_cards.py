"""The few cards of a header that the resampling rules touch, found in one pass, and the scale they take."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard

from astropy.io.fits import VerifyError

if TYPE_CHECKING:
    from astropy.io.fits import Header

# One pattern for all the rules: a header of 33,200 cards is passed over once and only what matches is parsed.
_TOUCHED = re.compile(
    r"(?:CRPIX|CDELT|CROTA|CTYPE|CRVAL|CUNIT|CNAME|CRDER|CSYER|CD\d|PC\d|PV\d|PS\d|WCSAXES|WCSDIM|NAXIS"
    r"|[AB]P?_|CPDIS|CPERR|CQDIS|DP\d|D2IM|LT[VM]\d|PIX|X?Y?PIXELSZ|SECPIX"
    r"|AMDX1$|CNPIX|(?:.*[. ])?[A-Z]*SEC[A-Z0-9]?$)"
)


@dataclass(frozen=True)
class Scale:
    """Output pixels per input pixel along x (axis 1) and y (axis 2)."""

    x: float
    y: float

    @classmethod
    def of(cls, scale: float | tuple[float, float]) -> Scale:
        """Take one number for both axes, or (s_x, s_y).

        Raises
        ------
        ValueError
            If a scale is not positive and finite.
        """
        x, y = scale if isinstance(scale, tuple) else (scale, scale)
        if not (0 < x < math.inf and 0 < y < math.inf):
            raise ValueError(f"scale must be positive and finite, got {scale}")
        return cls(float(x), float(y))

    def __getitem__(self, axis: int) -> float:
        """Scale of FITS axis 1 or 2."""
        return (self.x, self.y)[axis - 1]

    @property
    def isotropic(self) -> bool:
        """Whether both axes are scaled alike."""
        return self.x == self.y

    def position(self, axis: int, pixel: float) -> float:
        """Move a FITS pixel coordinate (the first pixel's centre is 1) to the output grid, edges aligned."""
        return self[axis] * (pixel - 0.5) + 0.5


class Cards:
    """A copy of a header with quick access to the cards that the rules may touch.

    Parameters
    ----------
    original : astropy.io.fits.Header
        The header to copy; it stays as it is.

    Attributes
    ----------
    header : astropy.io.fits.Header
        The copy, which the methods change.
    notes : tuple of str
        Which cards are left out of it since their values are against the standard.
    """

    def __init__(self, original: Header) -> None:
        self._count = Counter(filter(_TOUCHED.match, original))
        # Of repeated cards wcslib obeys the last. Values are parsed in the original, which remembers them.
        self._present: dict[str, Any] = {}
        unreadable = []
        for keyword, count in self._count.items():
            try:
                self._present[keyword] = original[keyword, count - 1]
            except VerifyError:
                unreadable.append(keyword)
        self.header: Header = original.copy()
        for keyword in unreadable:
            self.header.remove(keyword, remove_all=True)
        self.notes = tuple(f"{keyword}: not a valid card, and readers pass over it" for keyword in unreadable)

    def __contains__(self, keyword: str) -> bool:
        return keyword in self._present

    def __iter__(self) -> Iterator[str]:
        """Keywords present; the cards may be changed while iterating."""
        return iter(tuple(self._present))

    def __getitem__(self, keyword: str) -> Any:
        return self._present[keyword]

    def __setitem__(self, keyword: str, value: float | int | str) -> None:
        """Change the value of a card that is there, and of its repetitions, keeping the comment."""
        for n in range(self._count[keyword]):
            self.header[keyword, n] = value
        self._present[keyword] = value

    def get(self, keyword: str) -> Any:
        """Value of a card, or None where there is none."""
        return self._present.get(keyword)

    def number(self, keyword: str, default: float) -> float:
        """Value of a card as a number, or the default of the standard where it is missing or no number."""
        return finite_number(self._present.get(keyword), default)

    def multiply(self, keyword: str, factor: float) -> bool:
        """Multiply a numeric card; False where the card is missing or holds no number."""
        value = self._present.get(keyword)
        if not _is_number(value):
            return False
        self[keyword] = float(value) * factor
        return True

    def insert(self, keyword: str, value: float, comment: str, after: tuple[str, ...]) -> None:
        """Add a card after the first of some others that is present, or at the end."""
        anchor = next((k for k in after if k in self._present), None)
        if anchor is None:
            self.header[keyword] = (value, comment)
        else:
            self.header.insert(anchor, (keyword, value, comment), after=True)
        self._count[keyword] = 1
        self._present[keyword] = value

    def drop(self, keyword: str) -> bool:
        """Remove every card of a keyword; False where there was none."""
        if keyword not in self._present:
            return False
        self.header.remove(keyword, remove_all=True)
        del self._present[keyword]
        return True


def finite_number(value: Any, default: float) -> float:
    """Return `value` as a float, or `default` where it is no finite number."""
    return float(value) if _is_number(value) else default


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
