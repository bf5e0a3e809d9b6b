"""The quick checks on what users really have: no PSF, no noise, holes, tiny images, odd headers and units."""

import dataclasses

import numpy as np
import pytest
from astropy.io.fits import Header

from lensproc.cutout import PSF, DistortionTable, Resolved
from lensproc.enhanced import Enhanced
from lensproc.qc.calibration import BlankLevel, Calibration
from lensproc.qc.keywords import MEANING
from lensproc.qc.quick import quick_checks
from lensproc.qc.sky import celestial_wcs, sky_positions
from lensproc.qc.table import COLUMNS
from tests.qc.scenes import Scene, bicubic, ideal, observe, quasar_scene


def scene_and_input(seed=0, **kwargs):
    rng = np.random.default_rng(seed)
    scene = quasar_scene(rng, (60.0, 30.0))
    return scene, observe(scene, rng, **kwargs)


def interpolated(cutout):
    """Bicubic with the input's holes put back."""
    holes = ~np.isfinite(cutout.data)
    filled = cutout.replace(data=np.where(holes, 0, cutout.data).astype(np.float32))
    pair = bicubic(filled)
    fine = pair.image.data.copy()
    fine[holes.repeat(2, 0).repeat(2, 1)] = np.nan
    return dataclasses.replace(pair, original=cutout, image=pair.image.replace(data=fine))


def assert_sound(checked):
    assert next(iter(checked.qa)) == "QASTAT"
    assert set(checked.qa) <= set(MEANING)
    for value in checked.qa.values():
        for number in (value.value, value.error):
            assert number is None or isinstance(number, str | int) or np.isfinite(number)
    assert list(checked.sources.columns) == list(COLUMNS)
    assert len({len(column) for column in checked.sources.columns.values()}) == 1


def test_sources_have_their_fluxes_places_and_verdicts(calibration):
    scene, cutout = scene_and_input(sky=300.0, sigma=2.0)
    checked = quick_checks(ideal(scene, cutout, sky=300.0, sigma=2.0), calibration)
    assert_sound(checked)
    rows = checked.sources.columns
    assert rows["verdict"].tolist() == ["MATCHED", "MATCHED"]
    assert rows["label"].tolist() == ["POINT", "POINT"]
    assert rows["id"].tolist() == [1, 2]
    for k, (x, y, flux) in enumerate(scene.stars):
        assert rows["x"][k] == pytest.approx(x, abs=0.2)
        assert rows["y"][k] == pytest.approx(y, abs=0.2)
        # the arc under the star is no constant: it costs the fit up to a tenth
        assert rows["flux_out"][k] == pytest.approx(2.0 * flux, rel=0.1)
        assert abs(rows["flux_in"][k] - rows["flux_out"][k]) < 4 * rows["flux_err"][k]
    assert rows["ra"] == pytest.approx(150.0 - (rows["x"] - 31.5) * 0.2 / 3600, abs=1e-5)
    assert rows["dec"] == pytest.approx(2.0 + (rows["y"] - 31.5) * 0.2 / 3600, abs=1e-6)
    assert checked.sources.units["flux_in"] == "adu"
    assert checked.planes["FIDELITY"].data.shape == cutout.shape
    assert np.nanstd(checked.planes["FIDELITY"].data) == pytest.approx(1.0, abs=0.05)


def test_scale_of_the_pixel_values_does_not_matter(calibration):
    """Values of 1e-11, a negative sky, surface brightness: the same findings."""
    _, cutout = scene_and_input()
    usual = quick_checks(bicubic(cutout), calibration)
    for factor, sky in ((1e-13, 0.0), (1e9, 0.0), (1.0, -1000.0)):
        data = (cutout.data.astype(np.float64) * factor + sky).astype(np.float32)
        other = cutout.replace(data=data, variance=(cutout.variance * factor**2).astype(np.float32))
        qa = quick_checks(bicubic(other), calibration).qa
        for name, value in usual.qa.items():
            if isinstance(value.value, float):
                assert qa[name].value == pytest.approx(value.value, abs=5e-3), name
            else:
                assert qa[name].value == value.value
    per_area = cutout.replace(amplitude=Resolved("surface brightness", "test"))
    checked = quick_checks(bicubic(per_area), calibration)
    assert checked.qa["QAFLX"].value == pytest.approx(usual.qa["QAFLX"].value, abs=1e-3)
    assert checked.sources.units["flux_in"] == "pix adu"


@pytest.mark.parametrize("value", [0.0, 3.0, np.nan])
@pytest.mark.parametrize("variance", [None, 0.0, 1.0, np.inf])
def test_images_without_content_are_unknown(value, variance, calibration):
    _, cutout = scene_and_input()
    flat = np.full(cutout.shape, value, np.float32)
    plane = None if variance is None else np.full(cutout.shape, variance, np.float32)
    checked = quick_checks(interpolated(cutout.replace(data=flat, variance=plane)), calibration)
    assert_sound(checked)
    assert checked.qa["QASTAT"].value == "UNKNOWN"
    assert len(checked.sources) == 0


def test_without_a_psf_the_image_is_judged_and_the_sources_are_not(calibration):
    scene, cutout = scene_and_input()
    cutout = cutout.replace(psf=Resolved(None, "unknown"))
    checked = quick_checks(ideal(scene, cutout), calibration)
    assert_sound(checked)
    assert checked.qa["QASTAT"].value == "UNKNOWN"
    assert checked.qa["QACHI2"].value == pytest.approx(1.0, abs=0.1)
    assert "QANIN" not in checked.qa
    checked = quick_checks(ideal(scene, cutout, width=0.5), calibration)
    assert checked.qa["QACHI2"].value is None
    assert checked.qa["QAFLX"].value is not None


def test_a_field_without_sources_says_so(calibration):
    rng = np.random.default_rng(3)
    blank = Scene()
    checked = quick_checks(ideal(blank, observe(blank, rng)), calibration)
    assert checked.qa["QASTAT"].value == "NOSRC"
    assert checked.qa["QANIN"].value == 0


def test_holes_are_neither_judged_nor_searched(calibration):
    _, cutout = scene_and_input()
    rng = np.random.default_rng(4)
    third, scattered, row = (cutout.data.copy() for _ in range(3))
    third[:22] = np.nan
    scattered[rng.random(cutout.shape) < 0.02] = np.nan
    row[40] = np.nan
    for data in (third, scattered, row):
        checked = quick_checks(interpolated(cutout.replace(data=data)), calibration)
        assert_sound(checked)
        assert checked.qa["QASTAT"].value == "WARN"
        assert checked.qa["QAFIN"].value == 0.0
        assert np.isnan(checked.planes["FIDELITY"].data[~np.isfinite(data)]).all()


def test_masked_saturation_is_not_judged(calibration):
    _, cutout = scene_and_input()
    data, mask = cutout.data.copy(), cutout.mask.copy()
    data[8:12, 18:22], mask[8:12, 18:22] = 6e4, 1
    assert quick_checks(bicubic(cutout.replace(data=data)), calibration).qa["QASTAT"].value == "FAIL"
    qa = quick_checks(bicubic(cutout.replace(data=data, mask=mask)), calibration).qa
    assert qa["QASTAT"].value == "WARN"
    assert qa["QACHI2"].value < 0.1


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (3, 5), (8, 8), (12, 12), (17, 19), (1, 64), (33, 20)])
def test_small_images_are_checked_as_far_as_they_go(shape, calibration):
    _, cutout = scene_and_input()
    ny, nx = shape
    small = cutout.replace(
        data=cutout.data[:ny, :nx], variance=cutout.variance[:ny, :nx], mask=cutout.mask[:ny, :nx]
    )
    assert_sound(quick_checks(bicubic(small), calibration))


@pytest.mark.parametrize("fwhm", [0.5, 0.9, 12.0, 60.0, 500.0])
def test_any_width_of_the_psf_can_be_given(fwhm, calibration):
    _, cutout = scene_and_input()
    pair = bicubic(cutout.replace(psf=Resolved(PSF(fwhm), "option")))
    assert_sound(quick_checks(pair, calibration))
    assert_sound(quick_checks(dataclasses.replace(pair, output_psf=0.5), calibration))


@pytest.mark.parametrize(
    "output_psf", ["same", 0.0, 0.6, 1.0, 1.4, ((0.0, 0.1, 0.0), (0.1, 0.6, 0.1), (0.0, 0.1, 0.0))]
)
@pytest.mark.parametrize("scale", [1, 2, 3])
def test_any_declaration_can_be_checked(output_psf, scale, calibration):
    _, cutout = scene_and_input()
    pair = bicubic(cutout, scale) if scale > 1 else Enhanced(cutout, cutout, 1.0)
    assert_sound(quick_checks(dataclasses.replace(pair, output_psf=output_psf), calibration))


def test_an_output_without_a_finite_pixel_fails(calibration):
    _, cutout = scene_and_input()
    pair = bicubic(cutout)
    for value in (np.nan, np.inf, 0.0):
        image = pair.image.replace(data=np.full(pair.image.shape, value, np.float32))
        checked = quick_checks(dataclasses.replace(pair, image=image), calibration)
        assert_sound(checked)
        assert checked.qa["QASTAT"].value == "FAIL"
        assert checked.qa["QANLOST"].value == 2


def test_a_chain_that_leaves_pixels_alone_needs_no_calibration():
    _, cutout = scene_and_input()
    checked = quick_checks(Enhanced(cutout, cutout, 1.0), None)
    assert_sound(checked)
    assert checked.qa["QANMAT"].value == checked.qa["QANIN"].value == 2


def test_a_stage_that_was_calibrated_as_wiping_all_out_is_checked_without_a_warning():
    wiped = Calibration("", (BlankLevel(3.0, 0.0, 0.0, 0.0, 6.0, 0.0),), 4)
    _, cutout = scene_and_input()
    checked = quick_checks(bicubic(cutout), wiped)
    assert_sound(checked)
    assert checked.qa["QANMAT"].value == 2
    assert np.isnan(checked.sources.columns["snr_out"]).all()


def test_wrong_shapes_are_refused(calibration):
    _, cutout = scene_and_input()
    with pytest.raises(ValueError, match="times the input"):
        quick_checks(dataclasses.replace(bicubic(cutout), scale=3.0), calibration)


def test_the_input_and_the_output_are_left_alone(calibration):
    scene, cutout = scene_and_input()
    pair = ideal(scene, cutout)
    before = cutout.data.copy(), cutout.variance.copy(), pair.image.data.copy(), cutout.header.copy()
    quick_checks(pair, calibration)
    assert np.array_equal(cutout.data, before[0])
    assert np.array_equal(cutout.variance, before[1])
    assert np.array_equal(pair.image.data, before[2])
    assert cutout.header == before[3]


def test_two_runs_give_the_same_numbers(calibration):
    scene, cutout = scene_and_input()
    first, second = (quick_checks(ideal(scene, cutout), calibration) for _ in range(2))
    assert first.qa == second.qa
    for name, column in first.sources.columns.items():
        assert np.array_equal(column, second.sources.columns[name], equal_nan=column.dtype.kind == "f")


def at(header, **kwargs):
    _, cutout = scene_and_input()
    return sky_positions(
        cutout.replace(header=header, **kwargs), np.array([10.0, 31.5]), np.array([20.0, 31.5])
    )


def test_sky_positions_are_those_of_astropy():
    from astropy.wcs import WCS

    _, cutout = scene_and_input()
    header = cutout.header.copy()
    expected = WCS(header).all_pix2world([10.0, 31.5], [20.0, 31.5], 0)
    assert at(header)[0] == pytest.approx(expected[0], abs=1e-12)
    header["NOTE"] = "one more card"
    header["CTYPE1"], header["CTYPE2"] = "DEC--TAN", "RA---TAN"
    header["CRVAL1"], header["CRVAL2"] = 2.0, 150.0
    assert at(header)[1] == pytest.approx(WCS(header).all_pix2world([10.0, 31.5], [20.0, 31.5], 0)[0])


def test_galactic_headers_give_equatorial_positions():
    _, cutout = scene_and_input()
    header = cutout.header.copy()
    header["CTYPE1"], header["CTYPE2"] = "GLON-CAR", "GLAT-CAR"
    header["CRVAL1"], header["CRVAL2"] = 0.0, 0.0
    ra, dec = at(header)
    assert (ra[1], dec[1]) == (pytest.approx(266.405, abs=1e-3), pytest.approx(-28.936, abs=1e-3))


def test_lookup_tables_move_positions():
    _, cutout = scene_and_input()
    header = cutout.header.copy()
    for axis in (1, 2):
        header[f"CPDIS{axis}"] = "LOOKUP"
        header[f"DP{axis}"] = "EXTVER: 1.0"
        header[f"DP{axis}"] = f"EXTVER: {axis}"
    plain = at(cutout.header)
    tables = []
    for axis in (1, 2):
        table = Header({"EXTNAME": "WCSDVARR", "EXTVER": axis, "CRPIX1": 1.0, "CRPIX2": 1.0})
        table.update({"CRVAL1": 1.0, "CRVAL2": 1.0, "CDELT1": 32.0, "CDELT2": 32.0})
        shift = np.full((3, 3), 2.0 if axis == 1 else 0.0, np.float32)
        tables.append(DistortionTable("WCSDVARR", axis, table, shift))
        header[f"DP{axis}.EXTVER"] = float(axis)
        header[f"DP{axis}.NAXES"] = 2.0
        header[f"DP{axis}.AXIS.1"] = 1.0
        header[f"DP{axis}.AXIS.2"] = 2.0
    for axis in (1, 2):
        header.remove(f"DP{axis}", ignore_missing=True, remove_all=True)
    moved = at(header, distortion=tuple(tables))
    assert (moved[0] - plain[0]) * 3600 == pytest.approx(-0.4, abs=0.01)


@pytest.mark.parametrize("kind", ["", "FREQ", "RA---XYZ"])
def test_headers_without_a_sky_leave_the_columns_empty(kind):
    _, cutout = scene_and_input()
    header = cutout.header.copy()
    header["CTYPE1"] = kind
    ra, dec = at(header)
    assert np.isnan(ra).all()
    assert np.isnan(dec).all()


@pytest.mark.parametrize(
    "cards",
    [
        {"CD1_1": -1e-4, "CD1_2": 2e-5, "CD2_1": 2e-5, "CD2_2": 1e-4, "CUNIT1": "deg", "CUNIT2": "deg"},
        {"CDELT1": -1e-4, "CDELT2": 1.1e-4, "LONPOLE": 170.0, "RADESYS": "FK5", "EQUINOX": 2000.0},
        {"PC1_1": 0.9, "PC1_2": 0.1, "PC2_1": -0.1, "CDELT1": -1e-4, "CDELT2": 1.1e-4, "EQUINOX": 1950.0},
        {"CDELT1": -1e-4, "CDELT2": 1.1e-4, "CROTA2": 20.0},
        {"CD1_1": -0.36, "CD2_2": 0.36, "CUNIT1": "arcsec", "CUNIT2": "arcsec"},
        {"CD1_1": -1e-4, "CD2_2": 1e-4, "CTYPE1": "DEC--TAN", "CTYPE2": "RA---TAN"},
    ],
)
def test_a_wcs_made_of_its_numbers_is_the_one_that_its_cards_make(cards):
    from astropy.wcs import WCS

    _, cutout = scene_and_input()
    header = Header()
    usual = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 33.0, "CRVAL2": -20.0}
    header.update(usual | {"CRPIX1": 11.0, "CRPIX2": 70} | cards)
    wcs, cards_read = celestial_wcs(cutout.replace(header=header)), WCS(header)
    places = np.random.default_rng(0).uniform(0, 60, (5, 2))
    assert wcs.all_pix2world(places, 0) == pytest.approx(cards_read.all_pix2world(places, 0), abs=1e-12)
    assert (wcs.wcs.radesys, wcs.wcs.lng) == (cards_read.wcs.radesys, cards_read.wcs.lng)
