"""The door through which strangers add dialects: who reads a file, and who is named when that goes wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from astropy.io import fits

from lensproc.errors import InputError
from lensproc.fits.dialects import Defaults, Dialect, Planes, builtin_dialects
from lensproc.fits.read import read
from tests.fits.layouts import LENS, single


def stranger(confidence: float, name: str = "stranger") -> Dialect:
    def read_mine(headers: Sequence[fits.Header]) -> list[Planes]:
        return [Planes(0, band="q", defaults=Defaults(unit="nJy", zeropoint=31.4, psf_fwhm=0.8))]

    return Dialect(name, lambda headers: confidence if "MYSURVEY" in headers[0] else 0.0, read_mine)


def test_a_dialect_of_a_stranger_reads_its_files(tmp_path: Path) -> None:
    path = single(tmp_path / "a.fits", MYSURVEY=True)
    cutout = read(path, dialects=[*builtin_dialects(), stranger(1.0)])[0]
    assert cutout.source.dialect == "stranger"
    assert (cutout.band.value, cutout.unit.value, cutout.zeropoint.value) == ("q", "nJy", 31.4)
    assert cutout.lens_center.value == pytest.approx(LENS, abs=0.4)


def test_a_tie_names_both(tmp_path: Path) -> None:
    path = single(tmp_path / "a.fits", MYSURVEY=True)
    with pytest.raises(InputError, match=r"a\.fits: stranger and other are equally sure"):
        read(path, dialects=[*builtin_dialects(), stranger(1.0), stranger(1.0, "other")])


def test_a_dialect_that_raises_is_named(tmp_path: Path) -> None:
    def broken(headers: Sequence[fits.Header]) -> float:
        raise KeyError("SURVEY")

    path = single(tmp_path / "a.fits")
    with pytest.raises(InputError, match="dialect bad failed to look at the headers: KeyError"):
        read(path, dialects=[*builtin_dialects(), Dialect("bad", broken, lambda headers: [])])
    worse = Dialect("bad", lambda headers: 1.0, broken)  # type: ignore[arg-type, return-value]
    with pytest.raises(InputError, match="dialect bad failed: KeyError"):
        read(path, dialects=[worse])


@pytest.mark.parametrize("planes", [Planes(7), Planes(0, mask=3), Planes(0, plane=5)])
def test_a_dialect_that_points_nowhere_is_named(tmp_path: Path, planes: Planes) -> None:
    path = single(tmp_path / "a.fits")
    wrong = Dialect("wrong", lambda headers: 1.0, lambda headers: [planes])
    with pytest.raises(InputError, match=r"a\.fits"):
        read(path, dialects=[wrong])


def test_a_dialect_that_answers_with_something_else_is_named(tmp_path: Path) -> None:
    pixels = Dialect("pixels", lambda headers: 1.0, lambda headers: [headers[0]])  # type: ignore[list-item]
    with pytest.raises(InputError, match=r"a\.fits: dialect pixels answers with Header, expected Planes"):
        read(single(tmp_path / "a.fits"), dialects=[pixels])
