"""The sky of any pixel is the same before and after, whatever way the header writes it."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from lensproc.cutout import DistortionTable
from lensproc.errors import InputError
from lensproc.fits.resample_header import resample_header, resample_tables
from tests.fits.skies import (
    SCALES,
    SHAPE,
    Sky,
    add_sip,
    add_tables,
    linear_headers,
    numbers_lost,
    on_output,
    pixels,
    resampled,
    separation,
)

# Shrinking headers of 50 cards takes minutes and teaches little: the failing header is printed as it is.
settings.register_profile("headers", deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
WITHOUT_SHRINKING = settings(settings.get_profile("headers"))

KINDS = ("cd", "pc", "pc001", "cdelt", "crota", "cd+pc")


def inverse(scale: float | tuple[float, float]) -> float | tuple[float, float]:
    return (1 / scale[0], 1 / scale[1]) if isinstance(scale, tuple) else 1 / scale


def assert_same_sky(sky: Sky, scale: float | tuple[float, float], version: str = " ") -> None:
    points = pixels(SHAPE)
    out = resampled(sky, scale, SHAPE)
    assert separation(sky.wcs(version), points, out.wcs(version), on_output(points, scale)) <= 1
    # What the file will hold: the same cards as text.
    text = Sky(fits.Header.fromstring(out.header.tostring()), out.tables)
    assert separation(sky.wcs(version), points, text.wcs(version), on_output(points, scale)) <= 1


@settings(WITHOUT_SHRINKING, max_examples=150)
@given(linear_headers(KINDS), SCALES)
def test_the_sky_of_any_pixel_stays(header: fits.Header, scale: float | tuple[float, float]) -> None:
    assert_same_sky(Sky(header), scale)


@settings(WITHOUT_SHRINKING, max_examples=60)
@given(st.data(), SCALES)
def test_the_sky_stays_with_sip(data: st.DataObject, scale: float | tuple[float, float]) -> None:
    header = data.draw(linear_headers(("cd", "pc"), "TAN-SIP"))
    header["CRPIX1"], header["CRPIX2"] = data.draw(st.floats(-3e3, 3e3)), data.draw(st.floats(-3e3, 3e3))
    add_sip(header, data.draw)
    sky = Sky(header)
    assert_same_sky(sky, scale)
    # AP and BP, the way back, are polynomials of the corrected pixels; they must follow too.
    points = pixels(SHAPE)
    before, after = sky.wcs().sip, resampled(sky, scale, SHAPE).wcs().sip
    s = on_output(points[:1] + 1, scale) - on_output(points[:1], scale)
    error = before.foc2pix(before.pix2foc(points, 1), 1) - points
    outputs = on_output(points, scale)
    np.testing.assert_allclose(
        after.foc2pix(after.pix2foc(outputs, 1), 1) - outputs, s * error, rtol=0, atol=1e-8
    )


@settings(WITHOUT_SHRINKING, max_examples=40)
@given(st.data(), SCALES)
def test_the_sky_stays_with_tpv(data: st.DataObject, scale: float | tuple[float, float]) -> None:
    header = data.draw(linear_headers(KINDS, "TPV"))
    for axis in (1, 2):
        header[f"PV{axis}_1"] = 1.0
        for m in (0, 2, 4, 5, 6, 7, 8, 9, 10):
            header[f"PV{axis}_{m}"] = data.draw(st.floats(-1e-3, 1e-3))
    assert_same_sky(Sky(header), scale)


@settings(WITHOUT_SHRINKING, max_examples=40)
@given(st.data(), SCALES)
def test_the_sky_stays_with_look_up_tables(data: st.DataObject, scale: float | tuple[float, float]) -> None:
    header = data.draw(linear_headers(("cd", "pc", "cdelt"), "TAN-SIP"))
    header["CRPIX1"], header["CRPIX2"] = 40.2, 37.9
    add_sip(header, data.draw)
    sky = Sky(header, add_tables(data.draw, header))
    assert sky.wcs().cpdis1 is not None
    assert sky.wcs().det2im2 is not None
    assert_same_sky(sky, scale)


@settings(WITHOUT_SHRINKING, max_examples=40)
@given(linear_headers(("cd", "pc")), linear_headers(("cd", "pc", "cdelt")), SCALES)
def test_the_sky_of_an_alternate_wcs_stays(
    header: fits.Header, other: fits.Header, scale: float | tuple[float, float]
) -> None:
    for card in other.cards:
        header[f"{card.keyword}K"] = card.value
    assert_same_sky(Sky(header), scale)
    assert_same_sky(Sky(header), scale, "K")


@pytest.mark.parametrize("projection", ["ZPN", "SIN", "CAR", "ZEA"])
def test_the_sky_stays_in_other_projections(projection: str) -> None:
    header = fits.Header()
    header["CTYPE1"], header["CTYPE2"] = f"GLON-{projection}", f"GLAT-{projection}"
    header["CRVAL1"], header["CRVAL2"], header["CRPIX1"], header["CRPIX2"] = 30.0, 0.0, 51.5, -700
    header["CDELT1"], header["CDELT2"] = -1e-3, 1e-3
    if projection == "ZPN":
        header["PV2_1"], header["PV2_3"] = 1.0, -50.0
    for scale in (2, 0.5, (2.0, 3.0)):
        assert_same_sky(Sky(header), scale)


@settings(WITHOUT_SHRINKING, max_examples=100)
@given(st.data(), SCALES)
def test_there_and_back_gives_the_header_again(
    data: st.DataObject, scale: float | tuple[float, float]
) -> None:
    kinds = tuple(k for k in KINDS if k != "crota" or not isinstance(scale, tuple))
    header = data.draw(linear_headers(kinds, "TAN-SIP"))
    add_sip(header, data.draw)
    tables = add_tables(data.draw, header)
    header["LTV1"], header["LTM2_2"] = -17066.0, 0.5
    header["PIXAR_A2"], header["PIXAR_SR"], header["PIXSCALE"] = 9e-4, 2.1e-14, 0.03
    header["OBSERVER"], header["EXPTIME"] = "Hubble", 2028.0
    there = resampled(Sky(header, tables), scale, SHAPE)
    back = resampled(there, inverse(scale), SHAPE)
    assert not numbers_lost(header, back.header, max(SHAPE))
    for keyword in set(back.header) - set(header):
        # What had to be written is the standard's default.
        default = 1.0 if keyword[:3] in ("PC1", "PC2", "PC0", "LTM", "CDE") else 0.0
        assert back.header[keyword] == pytest.approx(default, abs=1e-12 * max(SHAPE)), keyword
    for before, after in zip(tables, back.tables, strict=True):
        assert not numbers_lost(before.header, after.header, max(SHAPE), positions=("CRPIX", "CRVAL"))
        np.testing.assert_allclose(after.data, before.data, rtol=3e-7)


def example() -> fits.Header:
    header = fits.Header()
    header["CTYPE1"], header["CTYPE2"], header["CRVAL1"], header["CRVAL2"] = (
        "RA---TAN",
        "DEC--TAN",
        150.0,
        2.0,
    )
    header["CD1_1"], header["CD2_2"] = -1e-4, 1e-4
    return header


def test_a_missing_reference_pixel_is_written_since_its_default_moves() -> None:
    out = resample_header(example(), 2).header
    assert (out["CRPIX1"], out["CRPIX2"]) == (-0.5, -0.5)
    assert_same_sky(Sky(example()), 2)


def test_the_centre_of_the_first_pixel_becomes_that_of_its_block() -> None:
    header = example()
    header["CRPIX1"], header["CRPIX2"] = 1, 1.0
    out = resample_header(header, (2, 3)).header
    assert (out["CRPIX1"], out["CRPIX2"]) == (1.5, 2.0)
    assert (out["CD1_1"], out["CD2_2"]) == (-1e-4 / 2, 1e-4 / 3)
    assert "CD1_2" not in out


def test_the_input_header_is_left_alone() -> None:
    header = example()
    header["CRPIX1"], header["DATASEC"] = (7.0, "mine"), "[1:100,1:80]"
    text = header.tostring()
    out = resample_header(header, 2).header
    assert header.tostring() == text
    out["CRPIX1"] = 99.0
    out["CTYPE1"] = "changed"
    assert header.tostring() == text
    assert resample_header(header, 2).header.comments["CRPIX1"] == "mine"


def test_scale_one_returns_an_equal_header_of_its_own() -> None:
    header = example()
    header["TRIMSEC"] = "[1:2,3:4]"
    result = resample_header(header, 1, SHAPE)
    assert result.header.tostring() == header.tostring()
    assert result.header is not header
    assert result.notes == ()
    assert resample_tables((), 1) == ()


def test_pc_governs_over_cd_and_both_keep_agreeing() -> None:
    header = example()
    header["CDELT1"] = header["CDELT2"] = 1.0
    header["PC1_1"], header["PC2_2"] = -1e-4, 1e-4
    out = resample_header(header, 2).header
    assert out["PC1_1"] == out["CD1_1"] == -0.5e-4
    assert out["CDELT1"] == 1.0
    del header["CD*"], out["CD*"]
    assert separation(Sky(header).wcs(), pixels(SHAPE), Sky(out).wcs(), on_output(pixels(SHAPE), 2)) <= 1


def test_an_increment_beside_cd_follows_where_it_copies_the_pixel_size() -> None:
    header = example()
    header["CDELT1"], header["CDELT2"] = -1e-4, 1e-4
    assert resample_header(header, 2).header["CDELT1"] == -0.5e-4
    header["CDELT1"] = header["CDELT2"] = 1.0
    assert resample_header(header, 2).header["CDELT1"] == 1.0


def test_an_angle_beside_pc_stays_true_or_is_dropped() -> None:
    header = example()
    del header["CD*"]
    header["CDELT1"], header["CDELT2"], header["CROTA2"] = -1e-4, 1e-4, 30.0
    c, s = np.cos(np.pi / 6), np.sin(np.pi / 6)
    header["PC1_1"], header["PC1_2"], header["PC2_1"], header["PC2_2"] = c, s, -s, c
    assert_same_sky(Sky(header), 2)
    out = resample_header(header, 2).header
    assert (out["CROTA2"], out["PC1_1"], out["CDELT1"]) == (30.0, c, -0.5e-4)
    assert_same_sky(Sky(header), (2, 3))
    result = resample_header(header, (2.0, 3.0))
    assert "CROTA2" not in result.header
    assert "CROTA2" in result.notes[0]


def test_tpv_keeps_its_increments_since_wcslib_distorts_before_them() -> None:
    header = example()
    del header["CD*"]
    header["CTYPE1"], header["CTYPE2"] = "RA---TPV", "DEC--TPV"
    header["CDELT1"], header["CDELT2"], header["CROTA2"] = -1e-4, 1e-4, 30.0
    result = resample_header(header, 2)
    assert result.header["CDELT1"] == -1e-4
    assert result.header["PC1_1"] == pytest.approx(np.cos(np.pi / 6) / 2, abs=1e-15)
    assert "CROTA2" not in result.header
    assert result.notes == ("CROTA2: the rotation stands in the matrix elements only",)


def test_the_angle_of_a_map_with_declination_first_is_that_of_its_latitude_axis() -> None:
    header = fits.Header()
    header["CTYPE1"], header["CTYPE2"], header["CRVAL1"], header["CRVAL2"] = (
        "DEC--TAN",
        "RA---TAN",
        2.0,
        150.0,
    )
    header["CRPIX1"], header["CRPIX2"], header["CDELT1"], header["CDELT2"] = 50.0, 40.0, 1e-4, -2e-4
    header["CROTA1"] = 25.0
    out = Sky(resample_header(header, (2.0, 3.0)).header)
    points = pixels(SHAPE)
    world = (
        Sky(header).wcs().all_pix2world(points, 1),
        out.wcs().all_pix2world(on_output(points, (2.0, 3.0)), 1),
    )
    np.testing.assert_allclose(world[0], world[1], rtol=0, atol=1e-6 / 3600)


def test_physical_coordinates_of_any_pixel_stay() -> None:
    header = example()
    header["LTV1"], header["LTV2"] = -17066.0, -16043.0
    out = resample_header(header, (2.0, 3.0)).header
    for axis, s in ((1, 2.0), (2, 3.0)):
        image = s * (57.25 - 0.5) + 0.5
        physical = (image - out[f"LTV{axis}"]) / out[f"LTM{axis}_{axis}"]
        assert physical == pytest.approx(57.25 - header[f"LTV{axis}"], abs=1e-9)
    header = example()
    header["LTM1_1"], header["LTM2_2"] = 1.0, 1.0
    assert resample_header(header, 2).header["LTV1"] == -0.5


def test_areas_and_sides_of_pixels_shrink() -> None:
    header = example()
    header["PIXAR_A2"], header["PIXAR_SR"], header["PIXSCALE"] = 9e-4, 2.4e-14, 0.06
    header["PIXSCAL1"], header["SECPIX2"], header["PIXSIZE1"], header["FILTER"] = 0.06, 0.06, 13.5, "F814W"
    out = resample_header(header, (2.0, 3.0)).header
    assert out["PIXAR_A2"] == pytest.approx(1.5e-4)
    assert out["PIXAR_SR"] == pytest.approx(4e-15)
    assert out["PIXSCAL1"] == pytest.approx(0.03)
    assert out["SECPIX2"] == pytest.approx(0.02)
    assert out["PIXSCALE"] == pytest.approx(0.06 / 6**0.5)
    assert (out["PIXSIZE1"], out["FILTER"]) == (13.5, "F814W")


def test_sections_are_dropped_and_said_so() -> None:
    header = example()
    header["DATASEC"], header["CCDSECA"], header["EXPSEC"] = "[1:2048,1:4096]", "[1:9, 2:4]", "one exposure"
    header["hierarch CELL.TRIMSEC"] = "[1:1200,1:1200]"
    header["READNSEC"] = 5.2
    result = resample_header(header, 2)
    assert {"DATASEC", "CCDSECA", "CELL.TRIMSEC"}.isdisjoint(result.header)
    assert {"EXPSEC", "READNSEC"} <= set(result.header)
    assert result.notes == ("DATASEC, CCDSECA, CELL.TRIMSEC: sections in pixels of the input",)


@pytest.mark.parametrize("scale", [2, 1.5, 0.5, (2.0, 3.0)])
def test_the_sky_of_a_photographic_plate_stays(scale: float | tuple[float, float]) -> None:
    header = fits.Header()
    header["NAXIS"], header["NAXIS1"], header["NAXIS2"] = 2, 100, 80
    header["PLTRAH"], header["PLTRAM"], header["PLTRAS"] = 14, 37, 46.9
    header["PLTDECSN"], header["PLTDECD"], header["PLTDECM"], header["PLTDECS"] = "-", 60, 12, 59.0
    header["PPO3"], header["PPO6"], header["XPIXELSZ"], header["YPIXELSZ"] = (
        176616.9,
        177193.5,
        25.28445,
        25.28445,
    )
    header["CNPIX1"], header["CNPIX2"] = 8860, 1708
    for axis, size in (("X", 67.226), ("Y", 67.231)):
        header[f"AMD{axis}1"], header[f"AMD{axis}2"], header[f"AMD{axis}3"] = size, -0.23, 1.09
        for n in range(4, 21):
            header[f"AMD{axis}{n}"] = 1e-6 if n < 10 else 0.0
    assert Sky(header).wcs().wcs.crpix[1] > 1000
    assert_same_sky(Sky(header), scale)


@pytest.mark.parametrize("scale", [1, 2])
def test_a_plane_of_a_cube_keeps_two_axes(scale: int) -> None:
    header = fits.Header([("NAXIS", 3), ("NAXIS1", 100), ("NAXIS2", 80), ("NAXIS3", 5), ("WCSAXES", 3)])
    header.update(example())
    header["CTYPE3"], header["CRVAL3"], header["CD3_3"], header["CUNIT3"] = "FREQ", 1.4e9, 1e6, "Hz"
    result = resample_header(header, scale, SHAPE)
    wcs = Sky(result.header).wcs()
    assert wcs.naxis == 2
    assert result.header["WCSAXES"] == 2
    assert wcs.array_shape == (80 * scale, 100 * scale)
    assert "CTYPE3, CRVAL3, CD3_3, CUNIT3" in result.notes[0]
    assert separation(Sky(example()).wcs(), pixels(SHAPE), wcs, on_output(pixels(SHAPE), scale)) <= 1


def test_a_plane_whose_sky_depends_on_the_third_axis_keeps_it() -> None:
    header = example()
    header["WCSAXES"], header["CTYPE3"], header["CD3_3"], header["CD1_3"] = 3, "FREQ", 1e6, 1e-5
    result = resample_header(header, 2, SHAPE)
    assert result.header["CTYPE3"] == "FREQ"
    assert result.header["CD1_3"] == 1e-5
    assert "CD1_3" in result.notes[0]


def test_a_slice_along_the_sky_keeps_the_axis_it_needs() -> None:
    header = fits.Header(
        [("CTYPE1", "FREQ"), ("CTYPE2", "GLON-CAR"), ("CTYPE3", "GLAT-CAR"), ("CRPIX3", 4.0)]
    )
    result = resample_header(header, 2, SHAPE)
    assert result.header["CTYPE3"] == "GLAT-CAR"
    assert result.header["CRPIX3"] == 4.0
    assert result.notes == ("CTYPE3: the sky is not on the image's own axes; its WCS is kept with all axes",)


def test_a_header_without_wcs_gets_none() -> None:
    header = fits.Header([("BITPIX", -32), ("NAXIS", 2), ("NAXIS1", 100), ("NAXIS2", 80), ("OBJECT", "star")])
    result = resample_header(header, 2)
    assert result.header.tostring() == header.tostring()
    assert resample_header(header, 2, SHAPE).header["NAXIS1"] == 200


def test_of_repeated_cards_the_last_counts() -> None:
    header = example()
    header.append(("CRPIX1", 4.0))
    header.append(("CRPIX1", 7.0))
    assert_same_sky(Sky(header), 2)


def test_a_pixel_distortion_without_rule_is_refused() -> None:
    header = example()
    header["CPDIS1"] = "Polynomial"
    with pytest.raises(InputError, match="CPDIS1 = 'Polynomial'"):
        resample_header(header, 2)


@pytest.mark.parametrize("scale", [0, -1, float("nan"), float("inf"), (2.0, 0.0)])
def test_an_impossible_scale_is_refused(scale: float | tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="positive and finite"):
        resample_header(example(), scale)
    with pytest.raises(ValueError, match="positive and finite"):
        resample_tables((), scale)


def test_unequal_scales_need_to_know_the_axis_of_a_table() -> None:
    table = DistortionTable("D2IMARR", 1, fits.Header(), np.ones((1, 9), np.float32))
    with pytest.raises(ValueError, match=r"D2IM1\.EXTVER"):
        resample_tables((table,), (2.0, 3.0))
    old = fits.Header([("AXISCORR", 2), ("D2IMEXT", "table.fits")])
    assert resample_tables((table,), (2.0, 3.0), header=old)[0].data[0, 0] == 3
    assert resample_tables((table,), 2)[0].data[0, 0] == 2


def test_a_card_that_no_reader_understands_is_left_out_and_said_so() -> None:
    header = example()
    header.append(fits.Card.fromstring("CRPIX1  = 12.5 13.5".ljust(80)))
    header.append(fits.Card.fromstring("SKEW    = ++".ljust(80)))
    result = resample_header(header, 2)
    assert result.notes == ("CRPIX1: not a valid card, and readers pass over it",)
    assert result.header["CRPIX1"] == -0.5
    assert "SKEW" in result.header
