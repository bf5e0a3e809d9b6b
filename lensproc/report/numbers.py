"""Numbers as the page writes them."""

from __future__ import annotations

import math


def signed(text: str) -> str:
    """Write a minus as a minus, not as a hyphen."""
    return "−" + text[1:] if text.startswith("-") else text


def short(value: float | None) -> str:
    """Three digits, or a dash for what is not measured.

    Examples
    --------
    >>> short(0.012345), short(-1234.5), short(3.0), short(None), short(1.2e-7)
    ('0.0123', '−1234', '3', '–', '1.2e-07')
    """
    if value is None or not math.isfinite(value):
        return "–"
    if float(value).is_integer() and abs(value) < 1e6:
        return signed(f"{value:.0f}")
    return signed(f"{value:.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}")


def with_error(value: float | None, error: float | None, unit: str) -> str:
    """Write value ± error unit.

    Examples
    --------
    >>> with_error(-8.1234, 0.456, "%"), with_error(2.0, None, "")
    ('−8.12 ± 0.456 %', '2')
    """
    text = short(value)
    if error is not None and value is not None:
        text += f" ± {short(error)}"
    return f"{text} {unit}".strip()
