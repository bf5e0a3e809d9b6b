"""What the simulator writes, the reader understands and `lensproc run` enhances."""

import hashlib
import json

import numpy as np
import pytest
from click.testing import CliRunner

from lensproc.cli.run import command as run
from lensproc.fits.read import read
from lensproc.simulate.folder import plan_for, run_plan
from lensproc.simulate.image import simulate
from lensproc.simulate.recipe import load_recipe

SURVEYS = {
    # recipe: (dialect, zeropoint of the reader's unit, what the pixel is)
    "hsc": ("hsc", 27.0, "flux"),
    "lsst": ("hsc", 31.4, "flux"),
    "des": ("des", 30.0, "flux"),
    "euclid-vis": ("euclid", 24.6, "flux"),
    "hst-acs": ("hst", 25.947, "flux"),
    # Of surface brightness the zeropoint is that of 1 MJy/sr per square arcsecond.
    "jwst-nircam": ("jwst", 20.472, "surface brightness"),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    base = tmp_path_factory.mktemp("surveys")
    for name in SURVEYS:
        run_plan(plan_for(load_recipe(name), 1, 9, "test", base / name))
    return base


@pytest.mark.parametrize("name", SURVEYS)
def test_the_reader_understands_the_layout(folders, name):
    sim = simulate(load_recipe(name), 9, "test", 0)
    (cutout,) = read(folders / name / f"{name}-000000.fits")
    dialect, zeropoint, amplitude = SURVEYS[name]
    camera = sim.recipe.instrument
    assert cutout.source.dialect == dialect
    assert cutout.zeropoint.value == pytest.approx(zeropoint, abs=0.01)
    assert cutout.amplitude.value == amplitude
    assert cutout.pixel_scale.value == pytest.approx(camera.pixel_scale, rel=1e-9)
    assert cutout.psf.value.fwhm == pytest.approx(sim.exposure.psf.fwhm / camera.pixel_scale, rel=0.15)
    bad = sim.exposure.defects.mask(cutout.shape)
    np.testing.assert_array_equal(cutout.data[~bad], sim.exposure.data[~bad])
    np.testing.assert_allclose(cutout.variance[~bad], sim.exposure.variance[~bad], rtol=1e-5)
    np.testing.assert_array_equal(cutout.bad, bad)


def test_every_survey_passes_through_lensproc_run_unchanged(folders, tmp_path):
    files = sorted(folders.glob("*/*.fits"))
    before = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    result = CliRunner().invoke(
        run, [*map(str, files), "-o", str(tmp_path), "--jobs", "1", "--checks", "none"]
    )
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in (tmp_path / "ledger.jsonl").read_text().splitlines()]
    assert len(list(tmp_path.glob("*.fits"))) == len(files) <= len(lines)
    assert before == [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
