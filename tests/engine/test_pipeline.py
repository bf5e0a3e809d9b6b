"""A chain of stages over cutouts: units, order, failures, several bands, products."""

import pickle

import numpy as np
import pytest
import torch

from lensproc.config import StageSpec
from lensproc.contract.stage import Batch, StageOutput
from lensproc.cutout import Resolved
from lensproc.engine.pipeline import Pipeline, PipelineConfig
from lensproc.engine.working import compose_psf
from lensproc.enhanced import Enhanced, Plane, Value
from lensproc.errors import LensprocError, PluginError, UsageError
from tests.engine.stages import Function, cutout, manifest, use_stages


def repeat(batch: Batch) -> StageOutput:
    """Nearest-neighbour ×2: keeps surface brightness."""
    return StageOutput(images=batch.images.repeat_interleave(2, -1).repeat_interleave(2, -2))


REPEAT = (manifest("repeat", scale=2, halo=0), Function(repeat))


def run(stages: list[str], *cutouts: object, **fields: object) -> list[Enhanced | LensprocError]:
    config = PipelineConfig(tuple(StageSpec(s) for s in stages), checks="none", **fields)  # type: ignore[arg-type]
    return list(Pipeline(config).run(cutouts))  # type: ignore[arg-type]


def test_flux_per_pixel_keeps_its_sum_and_surface_brightness_its_values(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use_stages(monkeypatch, REPEAT)
    data = np.arange(12.0).reshape(3, 4)
    flux, brightness = run(
        ["repeat"],
        cutout(data, variance=np.full((3, 4), 2.0, np.float32)),
        cutout(
            data, variance=np.full((3, 4), 2.0, np.float32), amplitude=Resolved("surface brightness", "t")
        ),
    )
    assert isinstance(flux, Enhanced)
    assert isinstance(brightness, Enhanced)
    assert flux.image.data.sum() == pytest.approx(data.sum())
    assert brightness.image.data.mean() == pytest.approx(data.mean())
    assert flux.image.variance is not None
    assert flux.image.variance.sum() == pytest.approx(24.0), "an aperture keeps its variance"
    assert brightness.image.variance is not None
    assert brightness.image.variance.mean() / 4 == pytest.approx(2.0)
    assert (flux.flux_factor, flux.variance_factor) == (0.25, 0.25)
    assert (brightness.flux_factor, brightness.variance_factor) == (1.0, 4.0)


@pytest.mark.parametrize("normalisation", ["none", "noise", "peak", "range"])
@pytest.mark.parametrize("unit", [1.0, 1e-11, 1e6])
def test_normalisation_is_undone(monkeypatch: pytest.MonkeyPatch, normalisation: str, unit: float) -> None:
    identity = Function(lambda batch: StageOutput(images=batch.images.clone()))
    use_stages(monkeypatch, (manifest("same", normalisation=normalisation), identity))
    rng = np.random.default_rng(4)
    data = (rng.normal(5.0, 1.0, (32, 32)) * unit).astype(np.float32)
    (result,) = run(["same"], cutout(data))
    assert isinstance(result, Enhanced)
    assert np.abs(result.image.data - data).max() <= 1e-6 * data.max()


def test_nan_is_nan_again_only_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    use_stages(monkeypatch, REPEAT)
    data = np.ones((6, 6))
    data[2, 3] = np.nan
    (result,) = run(["repeat"], cutout(data))
    assert isinstance(result, Enhanced)
    expected = np.zeros((12, 12), bool)
    expected[4:6, 6:8] = True
    assert np.array_equal(np.isnan(result.image.data), expected)
    assert result.image.bad[4:6, 6:8].all()
    assert result.image.bad.sum() == 4


def test_positions_keep_to_aligned_pixel_edges(monkeypatch: pytest.MonkeyPatch) -> None:
    use_stages(monkeypatch, REPEAT)
    (result,) = run(
        ["repeat"],
        cutout(np.ones((8, 8)), lens_center=Resolved((3.0, 4.5), "t"), pixel_scale=Resolved(0.2, "t")),
    )
    assert isinstance(result, Enhanced)
    assert result.image.lens_center.value == (6.5, 9.5)
    assert result.image.pixel_scale.value == 0.1
    assert result.scale == 2.0


def test_a_cutout_that_breaks_the_stage_costs_only_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def fragile(batch: Batch) -> StageOutput:
        if (batch.images > 99).any():
            raise RuntimeError("too bright for me")
        return StageOutput(images=batch.images)

    use_stages(monkeypatch, (manifest("fragile"), Function(fragile)))
    inputs = [cutout(np.full((5, 5), 100.0 if i == 3 else i)) for i in range(6)]
    results = run(["fragile"], *inputs)
    assert [isinstance(result, Enhanced) for result in results] == [True] * 3 + [False] + [True] * 2
    assert "stage fragile raised RuntimeError: too bright for me" in str(results[3])
    assert "tests==1" in str(results[3])
    for i in (0, 1, 2, 4, 5):
        result = results[i]
        assert isinstance(result, Enhanced)
        assert float(result.image.data[0, 0]) == i, "order is kept"
        assert [a.id for a in result.activities] == ["read", "fragile"], "a retry leaves one record"


def test_a_reason_given_for_one_cutout_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def picky(batch: Batch) -> StageOutput:
        failed = tuple(
            "needs a PSF; give one with --psf" if item.psf is None else None for item in batch.items
        )
        return StageOutput(images=batch.images, failed=failed)

    use_stages(monkeypatch, (manifest("picky"), Function(picky)))
    good, bad = run(
        ["picky"], cutout(np.ones((4, 4))), cutout(np.ones((4, 4)), psf=Resolved(None, "unknown"))
    )
    assert isinstance(good, Enhanced)
    assert str(bad) == "test.fits: stage picky: needs a PSF; give one with --psf [tests==1]"


def test_out_of_gpu_memory_halves_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    def hungry(batch: Batch) -> StageOutput:
        if len(batch) > 2:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return StageOutput(images=batch.images)

    stage = Function(hungry)
    use_stages(monkeypatch, (manifest("hungry"), stage))
    results = run(["hungry"], *[cutout(np.full((4, 4), i)) for i in range(8)])
    assert all(isinstance(result, Enhanced) for result in results)
    assert stage.batch_sizes == [8, 4, 2, 2, 4, 2, 2]


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (lambda b: StageOutput(images=b.images[..., 1:]), "shape"),
        (lambda b: StageOutput(), "gave no images"),
        (lambda b: b.images, "gave Tensor, expected StageOutput"),
        (lambda b: StageOutput(images=b.images, values=({}, {}, {})), "gave 3 values for"),
    ],
)
def test_a_broken_contract_is_named(monkeypatch: pytest.MonkeyPatch, output: object, message: str) -> None:
    use_stages(monkeypatch, (manifest("broken"), Function(output)))  # type: ignore[arg-type]
    (result,) = run(["broken"], cutout(np.ones((4, 4))))
    assert isinstance(result, PluginError)
    assert message in str(result)


def test_shapes_and_variances_do_not_mix_in_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Function(lambda batch: StageOutput(images=batch.images))
    use_stages(monkeypatch, (manifest("same"), stage))
    small, large = np.ones((4, 4), np.float32), np.ones((5, 4), np.float32)
    run(["same"], cutout(small), cutout(large), cutout(small, variance=small), cutout(2 * small))
    assert sorted(stage.batch_sizes) == [1, 1, 2]


def test_a_classifier_that_fails_costs_no_image(monkeypatch: pytest.MonkeyPatch) -> None:
    def classify(batch: Batch) -> StageOutput:
        raise ValueError("no idea")

    use_stages(monkeypatch, REPEAT, (manifest("classify", kind="classify"), Function(classify)))
    (result,) = run(["repeat", "classify"], cutout(np.ones((4, 4))))
    assert isinstance(result, Enhanced)
    assert result.status == "PARTIAL"
    assert [(a.id, a.status) for a in result.activities][-1] == ("classify", "FAILED")


def test_a_classifier_may_see_the_original_and_its_values_and_products_arrive(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shapes = []

    def measure(batch: Batch) -> StageOutput:
        shapes.append(tuple(batch.images.shape))
        values = tuple({"LPPEAK": Value(float(i.max()), 0.5, "adu", "peak")} for i in batch.images)
        planes = tuple({"ALPHA": Plane(i.numpy(), scale=1.0)} for i in batch.images)
        return StageOutput(values=values, planes=planes)

    def use(batch: Batch) -> StageOutput:
        assert batch.items[0].products["ALPHA"].scale == 1.0
        return StageOutput(images=batch.images)

    use_stages(
        monkeypatch,
        REPEAT,
        (manifest("measure", kind="physics", sees="original", provides=("ALPHA",)), Function(measure)),
        (manifest("use", requires=("ALPHA",)), Function(use)),
    )
    (result,) = run(["repeat", "measure", "use"], cutout(np.eye(4)))
    assert isinstance(result, Enhanced)
    assert shapes == [(1, 1, 4, 4)]
    assert result.values["LPPEAK"].value == 1.0
    assert result.image.shape == (8, 8)
    with pytest.raises(UsageError, match="put measure before it"):
        run(["use"], cutout(np.eye(4)))


def test_bands_of_one_object_arrive_as_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def join(batch: Batch) -> StageOutput:
        seen.append((tuple(batch.images.shape), batch.items[0].bands))
        return StageOutput(images=batch.images + torch.tensor([10.0, 20.0]).view(1, 2, 1, 1))

    use_stages(monkeypatch, (manifest("join", bands=("r", "g")), Function(join)))
    bands = [
        cutout(np.full((3, 3), v), band=Resolved(name, "t")) for v, name in ((1, "g"), (2, "r"), (3, "i"))
    ]
    config = PipelineConfig((StageSpec("join"),), checks="none")
    results = Pipeline(config).process([bands[:2], bands[2:]])
    assert seen == [((1, 2, 3, 3), ("r", "g"))]
    assert [float(r.image.data[0, 0]) for r in results[:2] if isinstance(r, Enhanced)] == [21.0, 12.0]
    assert "takes the bands r, g on one grid; there are: i" in str(results[2])


def test_results_do_not_depend_on_the_neighbours_in_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    identity = Function(lambda batch: StageOutput(images=batch.images * 2))
    use_stages(monkeypatch, (manifest("double", normalisation="range"), identity))
    rng = np.random.default_rng(5)
    inputs = [cutout(rng.normal(i, 1, (8, 8))) for i in range(5)]
    together = run(["double"], *inputs)
    alone = [run(["double"], each)[0] for each in inputs]
    for a, b in zip(together, alone, strict=True):
        assert isinstance(a, Enhanced)
        assert isinstance(b, Enhanced)
        assert np.array_equal(a.image.data, b.image.data)
        assert a.activities[1].seed == b.activities[1].seed


def test_generative_stages_mark_their_output(monkeypatch: pytest.MonkeyPatch) -> None:
    identity = Function(lambda batch: StageOutput(images=batch.images))
    use_stages(monkeypatch, (manifest("dream", generative=True), identity), REPEAT)
    (dreamt,) = run(["dream", "repeat"], cutout(np.ones((4, 4))))
    (honest,) = run(["repeat"], cutout(np.ones((4, 4))))
    assert isinstance(dreamt, Enhanced)
    assert isinstance(honest, Enhanced)
    assert dreamt.synthetic
    assert not honest.synthetic


def test_configuration_hash_follows_what_changes_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    identity = Function(lambda batch: StageOutput(images=batch.images))
    use_stages(monkeypatch, REPEAT, (manifest("same"), identity))

    def sha(*stages: str, **fields: object) -> str:
        return Pipeline(PipelineConfig(tuple(StageSpec(s) for s in stages), **fields)).config_sha256  # type: ignore[arg-type]

    assert sha("repeat") == sha("repeat", device="cpu") == sha("repeat", batch_size=3)
    assert len({sha("repeat"), sha("same"), sha("same", "repeat"), sha("repeat", checks="none")}) == 4


def test_a_pipeline_pickles_by_its_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    use_stages(monkeypatch, REPEAT)
    pipeline = Pipeline(PipelineConfig((StageSpec("repeat"),), checks="none"))
    copy = pickle.loads(pickle.dumps(pipeline))
    assert copy.config_sha256 == pipeline.config_sha256
    (result,) = copy.run([cutout(np.ones((2, 2)))])
    assert result.image.shape == (4, 4)


def test_psf_declarations_compose() -> None:
    assert compose_psf("same", "same") == "same"
    assert compose_psf("same", 0.5) == 0.5
    assert compose_psf(0.5, 0.5) == 0.25
    assert compose_psf(0.5, "same") == 0.5
    assert compose_psf(0.5, ((1.0,),)) == ((1.0,),)


@pytest.mark.parametrize("name", ["LPTOOLONGNAME", "lower", "WITH SPACE"])
def test_names_that_fits_cannot_hold_are_the_stages_fault(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def names(batch: Batch) -> StageOutput:
        return StageOutput(values=tuple({name: Value(1.0)} for _ in batch.items))

    use_stages(monkeypatch, (manifest("names", kind="classify"), Function(names)))
    (result,) = run(["names"], cutout(np.ones((4, 4))))
    assert isinstance(result, Enhanced)
    assert result.status == "PARTIAL"
    assert "stage names gave values named" in result.activities[-1].message
