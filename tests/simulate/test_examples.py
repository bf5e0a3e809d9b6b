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
    sigma = sim.exposure.conditions.background_sigma
    scale = max(sigma, 1e-12)
    # Up to rounding of the libraries' special functions, which may differ between versions.
    assert np.abs(read_science(path) - sim.exposure.data).max() < 1e-3 * scale


def test_the_examples_are_small():
    files = list((EXAMPLES / "survey_cutouts").glob("*.fits"))
    assert sum(path.stat().st_size for path in files) < 700_000
