"""QAOOD is an honest chance among the images of a training; QARANG counts pixels outside their range."""

import json
from dataclasses import replace

import numpy as np
import pytest
from astropy.io.fits import Header
from scipy.ndimage import gaussian_filter

from lensproc.cutout import PSF, Cutout, Resolved, Source
from lensproc.qc.domain import (
    FEATURES,
    Domain,
    domain_findings,
    measure_domain,
)
from lensproc.qc.keywords import value_of
from lensproc.qc.noise import measure_noise

SIDE = 48


def cutout_of(image, fwhm):
    return Cutout(
        data=np.asarray(image, np.float32),
        variance=None,
        mask=np.zeros(image.shape, np.uint32),
        header=Header(),
        source=Source("a.fits", "0", "0" * 64, "test"),
        psf=Resolved(None if fwhm is None else PSF(fwhm), "test"),
    )


def noise_of(rng, smooth):
    noise = rng.normal(size=(SIDE, SIDE))
    if smooth:
        noise = gaussian_filter(noise, smooth, mode="wrap")
    return noise / noise.std()


def galaxy(rng, fwhm, smooth):
    """A round galaxy of random brightness and size behind a PSF, over noise of 1σ."""
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    size = rng.uniform(2.0, 5.0)
    light = rng.uniform(20.0, 200.0) * np.exp(-np.hypot(x - rng.normal(), y - rng.normal()) / size)
    return cutout_of(gaussian_filter(light, fwhm / 2.355) + noise_of(rng, smooth), fwhm)


def image_of_training(rng):
    """One of two surveys: sharp with white noise, or blurred with correlated noise."""
    sharp = rng.random() < 0.5
    return galaxy(rng, rng.uniform(1.8, 2.2) if sharp else rng.uniform(4.5, 5.5), 0.0 if sharp else 0.6)


@pytest.fixture(scope="module")
def domain():
    rng = np.random.default_rng(1)
    return measure_domain([image_of_training(rng) for _ in range(240)], source="two surveys")


def findings_of(cutout, domain):
    return domain_findings(cutout, measure_noise(cutout, 3.0), domain)


def test_images_held_out_have_chances_that_are_even(domain):
    rng = np.random.default_rng(2)
    chances = np.array([findings_of(image_of_training(rng), domain)["QAOOD"].value for _ in range(200)])
    # 200 draws of an even distribution: 3σ are 0.046 at 0.05 and 0.11 at the middle
    assert np.mean(chances < 0.01) <= 0.02
    assert np.mean(chances < 0.05) <= 0.096
    assert np.mean(chances < 0.5) == pytest.approx(0.5, abs=0.11)


def strange_images():
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    stars = np.zeros((SIDE, SIDE))
    stars[tuple(rng.integers(4, SIDE - 4, (2, 8)))] = 2e4
    white = noise_of(rng, 0.0)
    return {
        "stars behind a PSF of 12 px": (cutout_of(gaussian_filter(stars, 12 / 2.355) + white, 12.0), None),
        "upside down": (lambda c: (c.replace(data=-c.data), "depth"))(galaxy(rng, 2.0, 0.0)),
        "a slope": (cutout_of(x + y + 0.01 * white, 2.0), None),
        "noise as of an interferometer": (galaxy(rng, 5.0, 2.0), "correlation"),
        "nothing but such noise": (cutout_of(noise_of(rng, 2.0), 5.0), None),
        "a galaxy that fills the frame": (
            cutout_of(60.0 * np.exp(-np.hypot(x, y) / 60.0) + white, 2.0),
            None,
        ),
        "a quasar of 30,000σ": (galaxy_and_quasar(rng), "peak"),
        "a survey between the two": (galaxy(rng, 3.2, 0.0), "fwhm"),
    }


def galaxy_and_quasar(rng):
    cutout = galaxy(rng, 2.0, 0.0)
    star = np.zeros((SIDE, SIDE))
    star[20, 30] = 3e4 * 5.0
    return cutout.replace(data=cutout.data + gaussian_filter(star, 2.0 / 2.355).astype(np.float32))


@pytest.mark.parametrize("name", list(strange_images()))
def test_what_is_unlike_the_training_fails_and_the_feature_is_named(domain, name):
    cutout, feature = strange_images()[name]
    found = findings_of(cutout, domain)["QAOOD"]
    assert found.value < 0.01
    assert found.state == "FAIL"
    if feature is not None:
        assert found.remark == f"chance of so unlike training: {feature}"
    card = value_of("QAOOD", found)
    assert card.description == found.remark
    assert len(f"QAOOD   = {float(card.value)!r:>20} / {card.description}") <= 80


def test_unit_and_sky_level_do_not_matter(domain):
    cutout = galaxy(np.random.default_rng(4), 2.0, 0.0)
    other = cutout.replace(data=np.asarray(cutout.data * 2.0**-40 + 2.0**-36, np.float32))
    one, two = (findings_of(c, domain)["QAOOD"].value for c in (cutout, other))
    assert one == pytest.approx(two, abs=1.5 / (domain.images + 1))


def test_the_least_chance_is_set_by_the_number_of_images(domain):
    cutout = cutout_of(noise_of(np.random.default_rng(5), 2.0), 40.0)
    assert findings_of(cutout, domain)["QAOOD"].value == pytest.approx(1 / 241)


def test_pixels_outside_the_range_are_counted(domain):
    cutout = galaxy(np.random.default_rng(6), 2.0, 0.0)
    assert findings_of(cutout, domain)["QARANG"].value == 0.0
    data = cutout.data.copy()
    data[:2, :5] = 10.0 * domain.high
    data[5, 5] = 10.0 * domain.low
    data[6, 6] = np.nan
    found = findings_of(cutout.replace(data=data), domain)["QARANG"]
    assert found.value == pytest.approx(11 / (SIDE**2 - 1))
    assert found.state == "WARN"


def test_no_pixel_is_too_bright_for_a_stage_that_scales_with_the_light(domain):
    rng = np.random.default_rng(1)
    scaling = measure_domain([image_of_training(rng) for _ in range(240)], scales_with_light=True)
    assert scaling.high is None
    assert scaling.features == domain.features
    bright = galaxy(rng, 2.0, 0.0)
    bright = bright.replace(data=np.where(bright.data > 5.0, 100.0 * bright.data, bright.data))
    assert findings_of(bright, domain)["QARANG"].state == "FAIL"
    assert findings_of(bright, scaling)["QARANG"].value == 0.0
    assert findings_of(bright, scaling)["QAOOD"].value > findings_of(bright, domain)["QAOOD"].value


def test_without_a_psf_or_a_domain_nothing_is_said(domain):
    cutout = galaxy(np.random.default_rng(7), 2.0, 0.0)
    blind = findings_of(replace(cutout, psf=Resolved(None, "unknown")), domain)
    assert blind["QAOOD"].value is None
    assert blind["QARANG"].value == 0.0
    assert all(found.value is None for found in findings_of(cutout, None).values())


def test_it_survives_json_and_stays_small(domain):
    text = json.dumps(domain.to_json(), indent=1)
    assert Domain.from_json(json.loads(text)) == domain
    assert len(text) < 30_000
    assert set(domain.features) == set(FEATURES)


def test_too_few_images_are_refused():
    with pytest.raises(ValueError, match="3 images are too few"):
        measure_domain([galaxy(np.random.default_rng(i), 2.0, 0.0) for i in range(3)])
