"""What BUNIT means."""

from __future__ import annotations

import pytest

from lensproc.fits.units import understand


@pytest.mark.parametrize(
    ("text", "amplitude"),
    [
        ("erg s-1 cm-2 Angstrom-1", "flux"),
        ("erg/s/cm2/A", "flux"),
        ("ergs/cm2/s/Ang", "flux"),
        ("1e-17 erg/s/cm^2", "flux"),
        ("W/m^2", "flux"),
        ("erg s-1 cm-2 Angstrom-1 arcsec-2", "surface brightness"),
        ("Jy/beam", "surface brightness"),
    ],
)
def test_energy_units_say_what_they_are_and_have_no_ab_zeropoint(text: str, amplitude: str) -> None:
    unit = understand(text)
    assert unit is not None
    assert (unit.name, unit.amplitude, unit.zeropoint) == (text, amplitude, None)


@pytest.mark.parametrize(
    ("text", "zeropoint"), [("microJy", 23.9), ("uJy", 23.9), ("Jy/arcsec2", 8.9), ("MJy/sr", 20.4721)]
)
def test_flux_densities_bring_their_zeropoint(text: str, zeropoint: float) -> None:
    unit = understand(text)
    assert unit is not None
    assert unit.zeropoint == pytest.approx(zeropoint, abs=1e-4)


@pytest.mark.parametrize("text", ["K", "A", "m", "mag/arcsec2", "furlong", "a (", ""])
def test_what_is_no_unit_of_light_is_not_understood(text: str) -> None:
    assert understand(text) is None
