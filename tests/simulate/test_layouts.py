import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from lensproc.simulate.image import simulate
from lensproc.simulate.layouts import hdulist, read_science
from lensproc.simulate.layouts.hst import photflam
from lensproc.simulate.recipe import load_recipe
from lensproc.simulate.truth import truth_hdulist

SCIENCE = {
    "hsc": "IMAGE",
    "lsst": "IMAGE",
    "des": "SCI",
    "euclid-vis": "VIS_BGSUB",
    "hst-acs": "SCI",
    "jwst-nircam": "SCI",
    "sr-b-hsc": 0,
}


@pytest.fixture(scope="module", params=list(SCIENCE))
def pair(request):
    sim = simulate(load_recipe(f"quasars@{request.param}"), 4, "train", 0)
    return request.param, sim, hdulist(sim), truth_hdulist(sim)


def test_science_plane_holds_the_pixels(pair):
    camera, sim, hdus, _ = pair
    np.testing.assert_array_equal(hdus[SCIENCE[camera]].data, sim.exposure.data)


def test_pixel_scale_of_the_wcs_is_that_of_the_camera(pair):
    camera, sim, hdus, _ = pair
    wcs = WCS(hdus[SCIENCE[camera]].header)
    scales = np.sqrt(np.abs(np.linalg.det(wcs.pixel_scale_matrix))) * 3600.0
    assert scales == pytest.approx(sim.recipe.instrument.pixel_scale, rel=1e-9)


def test_the_sky_of_the_truth_is_the_sky_of_the_cutout(pair):
    camera, sim, hdus, truth = pair
    wcs = WCS(hdus[SCIENCE[camera]].header)
    size = sim.exposure.frame.size
    places = np.array([[0.0, 0.0], [size - 1.0, 3.0], [11.3, size / 2]])
    sky = wcs.wcs_pix2world(places, 0)
    for scale in (2, 4):
        fine = WCS(truth[f"TRUTH{scale}"].header)
        # Pixel edges are aligned: p' = s (p + ½) - ½.
        back = fine.wcs_world2pix(sky, 0)
        np.testing.assert_allclose(back, scale * (places + 0.5) - 0.5, atol=1e-6)


def test_sources_table_gives_places_on_the_same_sky(pair):
    camera, sim, hdus, truth = pair
    table = truth["SOURCES"].data
    assert len(table) == len(sim.scene.points) > 0
    x, y = WCS(hdus[SCIENCE[camera]].header).wcs_world2pix(table["RA"], table["DEC"], 0)
    np.testing.assert_allclose(x, table["X"], atol=1e-6)
    np.testing.assert_allclose(y, table["Y"], atol=1e-6)
    assert set(np.char.strip(table["KIND"])) == {"quasar", "star"}


def test_a_star_stands_where_the_table_says(pair):
    _, _, _, truth = pair
    table = truth["SOURCES"].data
    bright = table[np.argmax(table["SNR"])]
    image = truth["TRUTH4"].data
    x, y = 4 * (bright["X"] + 0.5) - 0.5, 4 * (bright["Y"] + 0.5) - 0.5
    box = image[int(y) - 6 : int(y) + 8, int(x) - 6 : int(x) + 8]
    assert box.max() > 3.0 * np.median(image)


def test_the_files_are_valid_fits(pair, tmp_path):
    _, _, hdus, truth = pair
    for name, content in (("a.fits", hdus), ("b.fits", truth)):
        content.writeto(tmp_path / name)
        with fits.open(tmp_path / name) as back:
            back.verify("exception")


def test_psf_extension_sums_to_one_and_peaks_in_the_middle(pair):
    _, sim, hdus, _ = pair
    if sim.recipe.instrument.layout == "plain":
        assert hdus[0].header["SEEING"] == pytest.approx(sim.exposure.psf.fwhm)
        return
    psf = next(hdu for hdu in hdus if hdu.name.endswith("PSF")).data
    assert psf.sum() == pytest.approx(1.0, abs=1e-5)
    assert np.unravel_index(psf.argmax(), psf.shape) == (psf.shape[0] // 2, psf.shape[1] // 2)


def test_zeropoints_are_in_the_headers():
    def header(camera, hdu):
        return hdulist(simulate(load_recipe(f"blanks@{camera}"), 0, "train", 0))[hdu].header

    assert 2.5 * np.log10(header("hsc", 0)["FLUXMAG0"]) == pytest.approx(27.0)
    assert header("des", "SCI")["MAGZERO"] == 30.0
    assert header("euclid-vis", "VIS_BGSUB")["MAGZERO"] == 24.6
    hst = header("hst-acs", "SCI")
    ab = -2.5 * np.log10(hst["PHOTFLAM"]) - 5.0 * np.log10(hst["PHOTPLAM"]) - 2.408
    assert ab == pytest.approx(25.947, abs=1e-6)
    jwst = header("jwst-nircam", "SCI")
    # 1 MJy/sr over one pixel, in AB magnitudes of 3631 Jy.
    assert -2.5 * np.log10(1e6 * jwst["PIXAR_SR"] / 3631.0) == pytest.approx(28.086, abs=0.01)


def test_photflam_of_f814w_is_that_of_public_headers():
    assert photflam(load_recipe("hst-acs").instrument) == pytest.approx(7.028e-20, rel=1e-3)


def test_bad_pixels_are_marked_as_each_survey_marks_them():
    from dataclasses import replace

    for camera, marked in (
        ("hsc", lambda h, bad: (h["MASK"].data[bad] & 4).all()),
        ("des", lambda h, bad: (h["WGT"].data[bad] == 0).all() and (h["MSK"].data[bad] > 0).all()),
        ("euclid-vis", lambda h, bad: (h["VIS_RMS"].data[bad] > 1e15).all()),
        ("hst-acs", lambda h, bad: (h["DQ"].data[bad] > 0).all() and (h["SCI"].data[bad] == 0).all()),
        ("jwst-nircam", lambda h, bad: np.isnan(h["SCI"].data[bad]).all()),
    ):
        sim = simulate(replace(load_recipe(f"blanks@{camera}"), defects=6.0), 1, "train", 0)
        bad = sim.exposure.defects.mask(sim.exposure.data.shape)
        assert 0 < bad.sum() < 60
        assert marked(hdulist(sim), bad), camera


def test_science_pixels_come_back(tmp_path):
    sim = simulate(load_recipe("quasars@des"), 4, "train", 0)
    hdulist(sim).writeto(tmp_path / "a.fits")
    np.testing.assert_array_equal(read_science(tmp_path / "a.fits"), sim.exposure.data)
