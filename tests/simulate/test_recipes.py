import numpy as np
import pytest
import torch
import torch.nn.functional as F

from lensproc.errors import UsageError
from lensproc.simulate.image import simulate
from lensproc.simulate.instrument import instrument_names, load_instrument
from lensproc.simulate.points import pair_grid
from lensproc.simulate.recipe import load_recipe, recipe_from, recipe_names
from lensproc.simulate.render import bicubic_half


def test_every_recipe_that_is_promised_is_there():
    promised = {"deeplense-1", "deeplense-2", "deeplense-3", "common-test", "sr-a", "sr-b", "hsc", "des"}
    promised |= {"euclid-vis", "lsst", "hst-acs", "jwst-nircam", "quasars", "blanks", "pairs", "clumpy"}
    assert promised <= set(recipe_names())


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_makes_a_finite_image(name):
    recipe = load_recipe(name)
    sim = simulate(recipe, 1, "test", 0)
    assert np.isfinite(sim.exposure.data).all()
    assert sim.exposure.data.std() > 0


@pytest.mark.parametrize("name", instrument_names())
def test_every_instrument_names_its_sources(name):
    assert load_instrument(name).sources


def test_unknown_names_are_answered_with_what_there_is():
    with pytest.raises(UsageError, match="--list"):
        load_recipe("quasar")
    with pytest.raises(UsageError, match="hst-acs"):
        load_recipe("quasars@hubble")
    with pytest.raises(UsageError, match="colour"):
        recipe_from("mine", {"summary": "", "instrument": "hsc", "colour": 1})


def test_a_recipe_file_of_ones_own(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('extends = "quasars"\nsummary = "small"\n[override]\nsize = 40\n[quasar]\nimages = [2]\n')
    sim = simulate(load_recipe(str(path)), 0, "train", 0)
    assert sim.exposure.data.shape == (40, 40)
    assert sum(p.kind == "quasar" for p in sim.scene.points) == 2
    path.write_text("this is = = not TOML")
    with pytest.raises(UsageError, match=r"mine\.toml"):
        load_recipe(str(path))


def test_classes_are_about_equally_frequent():
    recipe = load_recipe("common-test")
    from lensproc.simulate.drawing import draw_scene
    from lensproc.simulate.seeds import generator

    names = []
    for i in range(150):
        scene_rng, camera_rng, *_ = generator(recipe.stream, 0, "train", i).spawn(4)
        names.append(draw_scene(recipe, i, scene_rng, camera_rng)[0].class_name)
    counts = [names.count(c) for c in recipe.classes]
    # Binomial, p = 1/3 of 150: σ = 5.8.
    assert all(abs(c - 50) < 20 for c in counts)


def test_snr_of_the_quasar_is_that_of_its_second_brightest_image():
    recipe = load_recipe("quasars")
    for i in range(5):
        scene = simulate(recipe, 1, "train", i).scene
        snrs = sorted((p.snr for p in scene.points if p.kind == "quasar"), reverse=True)
        assert snrs[1] == pytest.approx(scene.parameters["quasar_snr"], rel=0.25)


def test_snr_is_what_a_fit_of_the_psf_measures():
    # 200 white-noise exposures of one star, fitted by the profile it was made with.
    from dataclasses import replace

    from lensproc.simulate.noise import observe
    from lensproc.simulate.render import block_sum, point_profile

    recipe = load_recipe("pairs@hsc")
    recipe = replace(
        recipe,
        instrument=replace(recipe.instrument, correlation=0.0),
        tables={"pair": {"separation": [0.0], "snr": [20.0]}},
    )
    scene = simulate(recipe, 0, "train", 0).scene
    (star,) = scene.points
    profile = block_sum(point_profile(scene.frame.finer(4), star.x, star.y, scene.psf), 4)
    rng = np.random.default_rng(0)
    fluxes = []
    for _ in range(200):
        image, _ = observe(star.flux * profile, scene.conditions, rng)
        fluxes.append(np.sum(image * profile) / np.sum(profile**2))
    assert np.mean(fluxes) == pytest.approx(star.flux, rel=0.02)
    assert np.mean(fluxes) / np.std(fluxes) == pytest.approx(20.0, rel=0.2)


def test_pairs_run_through_their_grid():
    recipe = load_recipe("pairs")
    cells = pair_grid(recipe.table("pair"))
    assert len(cells) == 2 + 11 * 3 * 2
    drawn = [simulate(recipe, 0, "train", i).scene for i in range(len(cells))]
    seen = {
        (s.parameters["pair_separation"], s.parameters["pair_ratio"], s.parameters["pair_snr"]) for s in drawn
    }
    assert seen == set(cells)
    for scene in drawn:
        if len(scene.points) == 2:
            a, b = scene.points
            separation = scene.parameters["pair_separation"] * scene.psf.fwhm
            assert np.hypot(a.x - b.x, a.y - b.y) == pytest.approx(separation)
            assert a.flux / b.flux == pytest.approx(scene.parameters["pair_ratio"])


def test_bicubic_half_is_that_of_torch():
    image = np.random.default_rng(0).normal(size=(150, 150))
    wanted = F.interpolate(torch.from_numpy(image)[None, None], scale_factor=0.5, mode="bicubic")[0, 0]
    np.testing.assert_allclose(bicubic_half(image), wanted.numpy(), atol=1e-12)


def test_bicubic_upsampling_of_sr_a_scores_as_reported_for_the_original():
    recipe = load_recipe("sr-a")
    scores = []
    for i in range(30):
        sim = simulate(recipe, 0, "train", i)
        small = torch.from_numpy(sim.exposure.data)[None, None]
        large = F.interpolate(small, scale_factor=2, mode="bicubic")[0, 0].numpy()
        scores.append(-10.0 * np.log10(np.mean((large - sim.partner.data) ** 2)))
    assert np.mean(scores) == pytest.approx(42.3, abs=0.5)


def test_public_distances_give_the_public_ring():
    recipe = load_recipe("deeplense-1")
    assert simulate(recipe, 0, "train", 0).scene.einstein_radius == pytest.approx(1.665, abs=1e-3)
    public = recipe.with_options(distances="deeplense-public")
    assert simulate(public, 0, "train", 0).scene.einstein_radius == pytest.approx(1.281, abs=1e-3)


def test_naive_mass_sheet_makes_rings_of_substructure_larger():
    from dataclasses import replace

    recipe = replace(load_recipe("deeplense-1"), classes=("sphere",))
    fixed = simulate(recipe, 0, "train", 0).scene
    naive = simulate(recipe.with_options(mass_sheet="naive"), 0, "train", 0).scene
    assert naive.deflector.kwargs[0]["theta_E"] == pytest.approx(1.665, abs=1e-3)
    assert fixed.deflector.kwargs[0]["theta_E"] < naive.deflector.kwargs[0]["theta_E"]


def test_peak_and_snr_of_the_source_are_those_asked_for():
    from dataclasses import replace

    common = simulate(replace(load_recipe("common-test"), normalise="none"), 0, "train", 0).exposure
    assert common.noise_free.max() - 6.5 == pytest.approx(663.5, rel=1e-6)
    public = simulate(load_recipe("deeplense-1"), 0, "train", 0).exposure
    peak = np.unravel_index(public.noise_free.argmax(), public.noise_free.shape)
    assert public.noise_free[peak] / np.sqrt(public.expected_variance[peak]) == pytest.approx(25.0, rel=1e-4)
