"""Columns of any kind come back from a binary table as they were."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray

from lensproc.enhanced import Rows
from lensproc.fits.serialise import card, hdu_bytes
from lensproc.fits.table import table_bytes


def read_back(**columns: NDArray[Any]) -> fits.FITS_rec:
    blank = hdu_bytes(card("SIMPLE", True) + card("BITPIX", 8) + card("NAXIS", 0))
    hdus = fits.open(io.BytesIO(blank + table_bytes(Rows(columns), "T")), checksum=True)
    hdus.verify("exception")
    return hdus["T"].data


@pytest.mark.parametrize("kind", ["f8", "f4", "f2", "i8", "i4", "i2", "i1", "u1", "u2", "u4", ">f4", "<i2"])
def test_numbers_of_every_width_come_back(kind: str) -> None:
    values = np.array([0, 1, 100], kind)
    back = read_back(value=values)["value"]
    assert back.tolist() == values.tolist()
    assert back.dtype.itemsize >= values.dtype.itemsize


def test_a_column_of_vectors_keeps_its_shape() -> None:
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert np.array_equal(read_back(value=values)["value"], values)


def test_words_of_unequal_length_and_none_come_back() -> None:
    values = np.array(["a longer word", None, "χ² of 3″"], object)
    assert read_back(word=values)["word"].tolist() == ["a longer word", "", "chi^2 of 3arcsec"]


def test_masked_numbers_become_nan_and_the_others_stay() -> None:
    values = np.ma.masked_array([1, 2, 3], mask=[False, True, False])
    back = read_back(value=values)["value"]
    assert np.array_equal(back, [1, np.nan, 3], equal_nan=True)


@pytest.mark.parametrize("values", [np.array([["a", "b"]]), np.array([1j])])
def test_what_a_column_cannot_hold_is_refused(values: NDArray[Any]) -> None:
    with pytest.raises(TypeError, match="column"):
        table_bytes(Rows({"value": values}), "T")
