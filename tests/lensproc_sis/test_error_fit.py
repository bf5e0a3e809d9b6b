"""Errors by cutout: lenses of known scatter, where one factor for all of them fails."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lensproc_sis.error_features import FEATURES, features_of, middle_over_ring
from lensproc_sis.error_fit import EDGE, conformal_quantile, fit_errors
from lensproc_sis.error_model import ErrorModel
from lensproc_sis.measure import Cutouts, Looked, looked, measure
from lensproc_sis.sis_network import SISNetwork
from tests.lensproc_sis.known_lenses import SPEC
from tests.lensproc_sis.sis_scenes import drawn, noise


def toy(number: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two features of one parameter, and |error|/stated: e^(x − .5) for the first, the second tells nothing."""
    rng = np.random.default_rng(seed)
    features = rng.uniform(-1.0, 1.0, (number, 1, 2))
    return features, np.abs(rng.normal(size=(number, 1))) * np.exp(features[..., 0] - 0.5)


def model_of(features: np.ndarray, ratios: np.ndarray) -> ErrorModel:
    model = ErrorModel(*features.shape[1:])
    model.set(fit_errors(features, ratios))
    return model


def covered(model: ErrorModel, features: np.ndarray, ratios: np.ndarray) -> np.ndarray:
    factor = model(torch.from_numpy(features).float()).numpy()
    return np.asarray(ratios <= factor)[:, 0]


@pytest.fixture(scope="module")
def model() -> ErrorModel:
    return model_of(*toy(4000, 0))


def test_each_half_of_the_lenses_is_covered_where_one_factor_fails(model):
    features, ratios = toy(40_000, 1)
    low = features[:, 0, 0] < 0
    one = ratios[:, 0] <= np.quantile(toy(4000, 0)[1], 0.6827)
    assert one[low].mean() > 0.78
    assert one[~low].mean() < 0.58
    held = covered(model, features, ratios)
    for half in (low, ~low):
        assert held[half].mean() == pytest.approx(0.6827, abs=0.02)


def test_what_tells_nothing_gets_no_slope_and_the_scale_is_found(model):
    found = model.coefficients
    assert found.slopes[0, 0] == pytest.approx(1.0, abs=0.1)
    assert abs(float(found.slopes[0, 1])) < 0.1
    assert float(found.offset) == pytest.approx(-0.5, abs=0.05)  # 1σ of a normal error holds 68.27 %


def test_few_lenses_are_not_covered_too_little():
    """Forty lenses and two slopes: the fit alone is too narrow for others, what is added makes up for it."""
    rates = [covered(model_of(*toy(40, seed)), *toy(2000, 900 + seed)).mean() for seed in range(12)]
    assert np.mean(rates) > 0.66


def test_an_unusual_cutout_gets_no_factor_that_no_lens_had(model):
    features, _ = toy(4000, 0)
    usual = model(torch.from_numpy(features).float())
    unusual = model(torch.tensor([[[1e6, 0.0]], [[-1e6, 0.0]], [[torch.inf, -torch.inf]]]))
    assert torch.isfinite(unusual).all()
    assert unusual.max() <= usual.max()
    assert unusual.min() >= usual.min()
    edge = np.quantile(features[:, 0, 0], 1.0 - EDGE)
    assert float(model.coefficients.highest[0, 0]) == pytest.approx(edge, rel=1e-5)


def test_what_is_not_known_counts_as_typical(model):
    typical = model.coefficients.typical[None]
    unknown = torch.full_like(typical, torch.nan)
    assert torch.equal(model(unknown), model(typical))
    assert float(torch.log(model(unknown))) == pytest.approx(float(model.coefficients.offset), rel=1e-5)


def test_the_conformal_quantile_counts_one_lens_more():
    assert conformal_quantile(np.arange(99.0)) == 68.0  # the 69th of 100
    assert conformal_quantile(np.array([3.0, 1.0])) == 3.0


def network(fitted: bool = True) -> SISNetwork:
    """A network at random whose errors vary with the cutout, by numbers that are made up."""
    torch.manual_seed(3)
    made = SISNetwork(**SPEC).eval().requires_grad_(False)
    torch.nn.init.normal_(made.spread.weight, std=0.3)
    made.calibration.fill_(0.5)
    if fitted:
        rng = np.random.default_rng(0)
        found = looked(made, cutouts(*(drawn((8.0 + i, 31.0, 29.0, 0.1, 0, 0, 0))[0] for i in range(8))))
        assert found.features is not None
        features = found.features.double().numpy().repeat(8, axis=0)
        made.errors.set(fit_errors(features, np.abs(rng.normal(size=(64, 7)))))
    return made


def cutouts(*images: torch.Tensor, fwhm: float = 2.0) -> Cutouts:
    stack = torch.stack([image + noise(image.shape, i) for i, image in enumerate(images)])[:, None].float()
    height, width = stack.shape[-2:]
    ones = torch.ones(len(images))
    places = ones * (width - 1) / 2, ones * (height - 1) / 2
    return Cutouts(stack, torch.ones_like(stack), fwhm * ones, *places, ones * max(height, width) / 2)


@pytest.fixture(scope="module")
def lenses() -> Cutouts:
    return cutouts(*(drawn((8.0 + 3 * i, 31.0, 29.0, 0.1, 0, 0, 0))[0] for i in range(4)))


def test_nothing_but_errors_changes(lenses):
    """To the bit, and errors are those of one factor where few views are looked at."""
    plain, varied = network(fitted=False), network()
    before, after = measure(plain, lenses), measure(varied, lenses)
    for name in ("lens", "correction", "arcs"):
        assert torch.equal(getattr(before, name), getattr(after, name))
    ratio = after.sigma / before.sigma
    assert ratio.std(0).min() > 1e-3
    assert torch.equal(measure(plain, lenses, views=1).sigma, measure(varied, lenses, views=1).sigma)


def test_neighbours_make_no_difference_to_errors(lenses):
    varied = network()
    together = measure(varied, lenses).sigma
    for i in range(4):
        one = Cutouts(
            *(getattr(lenses, f)[i : i + 1] for f in ("images", "inside", "fwhm", "x", "y", "half"))
        )
        torch.testing.assert_close(measure(varied, one).sigma, together[i : i + 1], rtol=1e-4, atol=0.0)


def test_weights_of_one_factor_load_and_keep_it(lenses):
    old = {
        name: values for name, values in network(fitted=False).state_dict().items() if "errors" not in name
    }
    varied = network()
    varied.load_state_dict(old)  # strict
    assert not varied.errors.fitted
    assert torch.equal(measure(varied, lenses).sigma, measure(network(fitted=False), lenses).sigma)
    part = dict(list(network().state_dict().items())[:-1])  # some of it missing is an error
    with pytest.raises(RuntimeError, match="errors"):
        varied.load_state_dict(part)


def test_weights_hold_what_was_fitted(lenses):
    first, again = network(), SISNetwork(**SPEC).eval().requires_grad_(False)
    again.load_state_dict(first.state_dict())
    assert torch.equal(measure(first, lenses).sigma, measure(again, lenses).sigma)
    assert max(buffer.ndim for buffer in first.errors.buffers()) == 1  # kernels ship as float16


def of_features(found: Looked, name: str) -> torch.Tensor:
    assert found.features is not None
    return found.features[:, :, FEATURES.index(name)]


def test_features_are_what_they_say(lenses):
    found = looked(network(), lenses)
    assert torch.equal(of_features(found, "stated"), found.log_sigma)
    assert torch.allclose(of_features(found, "size"), torch.log10(found.frames.half)[:, None] - 1.5)
    unknown = looked(network(), cutouts(*lenses.images[:, 0], fwhm=0.0))
    assert of_features(unknown, "blur").isnan().all()
    assert of_features(found, "blur").isfinite().all()
    assert looked(network(), lenses, views=4).features is None


def test_light_in_the_middle_counts_against_the_ring():
    line = (torch.arange(64) + 0.5) / 32 - 1
    radius = torch.hypot(line[:, None], line[None, :])
    ring, middle = 10.0 * ((radius - 0.4).abs() < 0.15), 40.0 * (radius < 0.15)
    frames = torch.stack([torch.stack((ring + part, torch.ones(64, 64))) for part in (middle, 0 * middle)])
    assert middle_over_ring(frames).tolist() == pytest.approx([np.log(4.0), np.log(0.03)], rel=1e-5)


def test_views_that_agree_have_the_least_scatter():
    same, apart = torch.zeros(1, 8, 7), torch.zeros(1, 8, 7)
    apart[0, ::2] = 0.2
    rest = (torch.zeros(1), torch.zeros(1, 2, 8, 8), torch.full((1, 1, 4, 4), 0.5), torch.ones(1, 3))
    found = [features_of(torch.zeros(1, 7), views, *rest)[0, 0] for views in (same, apart)]
    at = FEATURES.index("scatter")
    assert float(found[0][at]) == pytest.approx(np.log(1e-5))
    assert float(found[1][at]) == pytest.approx(np.log(0.1), abs=1e-3)
