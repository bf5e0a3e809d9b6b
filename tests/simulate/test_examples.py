import re
from pathlib import Path

import numpy as np
import pytest

from lensproc.simulate.image import simulate
from lensproc.simulate.layouts import read_science
from lensproc.simulate.recipe import load_recipe

EXAMPLES = Path(__file__).parents[2] / "examples"
COMMANDS = re.findall(r"^\$ make_cutout (\S+) (\d+)$", (EXAMPLES / "README.md").read_text(), re.MULTILINE)


def test_the_readme_makes_every_example():
    made = {f"quasars-{camera}-000000.fits" for camera, _ in COMMANDS}
    assert made == {path.name for path in (EXAMPLES / "survey_cutouts").glob("*.fits")}


@pytest.mark.parametrize(("camera", "seed"), COMMANDS)
def test_the_examples_are_what_the_readme_says_makes_them(camera, seed):
    path = EXAMPLES / "survey_cutouts" / f"quasars-{camera}-000000.fits"
    sim = simulate(load_recipe(f"quasars@{camera}"), int(seed), "train", 0)
    apart = np.abs(read_science(path) - sim.exposure.data)
    sigma = max(sim.exposure.conditions.background_sigma, 1e-12)
    # Special functions of other library versions and processors round differently: that moves a pixel by far less
    # than its noise. Where it moves an expected count across a threshold of the photon draw, one electron more or
    # less arrives, which correlated noise spreads over the neighbours.
    electron = 1.0 / sim.exposure.conditions.electrons_per_unit
    assert apart.max() < max(1e-3 * sigma, 1.5 * electron)
    assert np.mean(apart > 1e-3 * sigma) < 0.01


def test_the_examples_are_small():
    files = list((EXAMPLES / "survey_cutouts").glob("*.fits"))
    assert sum(path.stat().st_size for path in files) < 700_000
