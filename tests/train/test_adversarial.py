"""A generator learns by pixels, then against a discriminator: its gradient, its weight, resuming, collapse."""

from __future__ import annotations

import dataclasses
import json
import math
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from lensproc.contract.adversarial import AdversarialSettings
from lensproc.errors import UsageError
from lensproc.nn.adversarial_losses import r1_penalty
from lensproc.nn.weights import read_weights
from lensproc.train.adversarial import variances
from lensproc.train.collapse import SETTLING, Contest
from lensproc.train.curve import draw_curve
from lensproc.train.state import CollapsedTraining, TrainingError
from tests.train import duel
from tests.train.duel import DUEL, duel_run
from tests.train.tiny import Silent, trained

ROOT = Path(__file__).parents[2]
SPECTRAL = f'{DUEL}regulariser = "spectral"\nkind = "relativistic"\n'


def with_task(monkeypatch, **changes):
    """Let the stage hand over another task."""
    original = duel.task

    def task(manifest, recipe):
        made = original(manifest, recipe)
        return dataclasses.replace(made, **{k: v(made) for k, v in changes.items()})

    monkeypatch.setattr(duel, "task", task)


@pytest.fixture(scope="module")
def left_alone(tmp_path_factory):
    """Trainings that nobody interrupted, by regulariser."""
    text = {name: f'{DUEL}regulariser = "{name}"\n' for name in ("r1", "spectral")}
    return {name: trained(duel_run(tmp_path_factory.mktemp(name), text=text[name])) for name in text}


def test_it_learns_by_pixels_and_then_in_turn(left_alone):
    record = left_alone["r1"].record
    phases = ["discriminator" in entry["train"] for entry in record["curve"]]
    assert phases == [False, False, True, True]
    last = record["curve"][-1]["train"]
    assert {"loss", "content", "features", "adversarial", "accuracy", "weight", "closure"} <= set(last)
    assert last["loss"] == pytest.approx(last["content"] + last["weight"] * last["adversarial"], rel=0.01)
    assert record["pretrained"]["step"] <= 6 < record["best"]["step"], "the best of either part"
    head = (left_alone["r1"].weights.parent / "metrics.csv").read_text().splitlines()[0].split(",")
    assert {"train_adversarial", "train_discriminator"} <= set(head)


def test_the_file_holds_the_weights_of_both_parts(left_alone):
    state = read_weights(left_alone["r1"].weights).state
    names = {name.partition(".")[2] for name in state}
    assert {name.partition(".")[0] for name in state} == {"pixel", "adversarial"}
    assert len(state) == 2 * len(names)
    name = "learning.0.weight"
    assert not torch.equal(state[f"pixel.{name}"], state[f"adversarial.{name}"])


@pytest.mark.parametrize(
    ("regulariser", "step", "every"), [("r1", 5, 0.0), ("r1", 8, 1000.0), ("spectral", 11, 0.0)]
)
def test_killed_in_either_part_it_ends_with_the_same_weights(tmp_path, left_alone, regulariser, step, every):
    command = [sys.executable, "-m", "tests.train.duel", str(tmp_path), str(step), str(every), regulariser]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    watcher = Silent()
    again = trained(duel_run(tmp_path, text=f'{DUEL}regulariser = "{regulariser}"\n'), watcher)
    assert watcher.resumed
    assert watcher.steps == 12 - (step - 1 if every == 0.0 else 6)
    assert again.weights.read_bytes() == left_alone[regulariser].weights.read_bytes()
    assert again.record["curve"] == left_alone[regulariser].record["curve"]


def test_the_adversarial_part_moves_the_generator(tmp_path, monkeypatch):
    """A term without gradient (cross entropy over one column) would leave it where it is."""
    nothing = lambda made: lambda generated, batch: {"loss": 0.0 * generated.sum()}  # noqa: E731
    with_task(monkeypatch, content=nothing)
    text = DUEL.replace("pretrain = 0.5", "pretrain = 0.0")
    watcher = Silent()
    norms = []
    watcher.after = lambda learner: norms.append(
        math.sqrt(sum(float((p.grad**2).sum()) for p in learner.network.learning.parameters()))
    )
    trained(duel_run(tmp_path, text=text, epochs=1), watcher)
    assert len(norms) == 3
    assert min(norms) > 1e-5


@pytest.mark.parametrize("kind", ["bce", "relativistic"])
def test_both_learn_with_the_labels_the_right_way_round(tmp_path, monkeypatch, kind):
    """Real images come to score higher, and what the generator descends is uphill for the discriminator."""
    pairs, slopes, gaps = [], [], []

    def kept(made):
        def show(generated, batch):
            generated.retain_grad()
            pairs.append((generated, batch["truth2"][:, None]))
            return pairs[-1]

        return show

    def after(learner):
        generated, real = pairs[-1]
        fake = generated.detach().requires_grad_()
        with torch.enable_grad():
            score = learner.discriminator(fake)
            (uphill,) = torch.autograd.grad(score.sum(), fake)
        slopes.append(float((uphill * generated.grad).sum()))
        gaps.append(float((learner.discriminator(real) - score).detach().mean()))

    nothing = lambda made: lambda generated, batch: {"loss": 0.0 * generated.sum()}  # noqa: E731
    with_task(monkeypatch, content=nothing, shown=kept)
    text = f'{DUEL.replace("pretrain = 0.5", "pretrain = 0.0")}kind = "{kind}"\ndiscriminator_rate = 10.0\n'
    trained(duel_run(tmp_path, text=text, epochs=4), Silent(after))
    assert len(slopes) == 12
    assert max(slopes) < 0.0
    assert gaps[-1] > max(0.0, gaps[0])


def test_the_discriminator_is_left_alone_while_the_generator_learns_and_the_other_way_round(tmp_path):
    """Gradients of one are not those of the other's loss."""
    found = {}

    def after(learner):
        found["free"] = all(p.requires_grad for p in learner.discriminator.parameters())
        found["judges"] = learner.task.judges

    before = {}
    run = duel_run(tmp_path, text=DUEL.replace("pretrain = 0.5", "pretrain = 0.0"), epochs=1)
    watcher = Silent(after)
    begins = watcher.begins

    def remember(learner, resumed):
        before.update({name: value.clone() for name, value in learner.task.judges.state_dict().items()})
        begins(learner, resumed)

    watcher.begins = remember
    trained(run, watcher)
    assert found["free"]
    judges = found["judges"]
    assert not any(part.training for part in judges.modules()), "a frozen part in train mode"
    assert not any(parameter.requires_grad for parameter in judges.parameters())
    assert all(torch.equal(value, before[name]) for name, value in judges.state_dict().items())


def test_validation_sees_nothing_of_the_training_images(tmp_path, monkeypatch):
    seen = {"train": [], "val": []}

    def metrics(network, batch):
        assert not network.training
        seen["val"] += batch["truth2"].flatten(1)[:, :4].tolist()
        return {"loss": torch.tensor(1.0)}

    def loss(network, batch):
        seen["train"] += batch["truth2"].flatten(1)[:, :4].tolist()
        return duel.tiny.loss(network, batch)

    with_task(monkeypatch, metrics=lambda made: metrics, loss=lambda made: loss)
    record = trained(duel_run(tmp_path, epochs=2, crop=0)).record
    assert record["data"]["train_sha256"] != record["data"]["val_sha256"]
    assert len({tuple(row) for row in seen["val"]}) == 5
    assert not {tuple(row) for row in seen["val"]} & {tuple(row) for row in seen["train"]}


def test_patience_in_the_first_part_begins_the_second(tmp_path, monkeypatch):
    with_task(monkeypatch, metrics=lambda made: lambda network, batch: {"loss": torch.tensor(1.0)})
    text = DUEL.replace("pretrain = 0.5", "pretrain = 0.9")
    record = trained(duel_run(tmp_path, text=text, epochs=20, patience=1)).record
    assert ["discriminator" in entry["train"] for entry in record["curve"]] == [False, False, True, True]
    assert record["stopped"] == "patience"


def test_it_trains_relativistically_in_bfloat16_with_clipped_gradients(tmp_path):
    run = duel_run(tmp_path, text=SPECTRAL, precision="bf16-mixed", gradient_clip=0.01)
    norms = []
    parts = ("network", "discriminator")

    def norm(learner):
        free = [p for part in parts for p in getattr(learner, part).parameters() if p.grad is not None]
        norms.append(math.sqrt(sum(float((p.grad**2).sum()) for p in free)))

    record = trained(run, Silent(norm)).record
    assert all(math.isfinite(value) for value in record["curve"][-1]["train"].values())
    assert max(norms) <= math.sqrt(2.0) * 0.0101


def test_the_weight_falls_where_flux_does_not_close():
    settings = AdversarialSettings(weight=0.1, closure=2.0)
    assert Contest().weight(4.0, settings) == 0.1
    assert Contest().weight(16.0, settings) == pytest.approx(0.025)
    contest = Contest()
    contest.weight(1.0, settings)
    contest.count(0.5, 1.0, 1.0)
    contest.weight(401.0, settings)
    assert contest.disagreement == pytest.approx(0.98 + 0.02 * 401.0)


def test_the_penalty_flattens_the_discriminator_at_real_images(tmp_path, monkeypatch):
    slopes = {}
    for regulariser in ("none", "r1"):
        pairs = []

        def kept(made, pairs=pairs):
            return lambda generated, batch: pairs.append(made.shown(generated, batch)) or pairs[-1]

        def after(learner, pairs=pairs, regulariser=regulariser):
            real = pairs[-1][1].detach().requires_grad_()
            with torch.enable_grad():
                slopes[regulariser] = float(r1_penalty(learner.discriminator(real), real).detach())

        text = f'{DUEL}regulariser = "{regulariser}"\ngamma = 100.0\ndiscriminator_rate = 10.0\n'
        with monkeypatch.context() as patch:
            with_task(patch, shown=kept)
            trained(
                duel_run(tmp_path, regulariser, text.replace("pretrain = 0.5", "pretrain = 0.0")),
                Silent(after),
            )
    assert 0.0 < slopes["r1"] < 0.2 * slopes["none"], slopes


def test_in_training_the_weight_is_that_of_the_disagreement(tmp_path, monkeypatch):
    with_task(monkeypatch, closure=lambda made: lambda generated, batch: torch.full((len(generated),), -8.0))
    text = DUEL.replace("pretrain = 0.5", "pretrain = 0.0")
    last = trained(duel_run(tmp_path, text=text, epochs=1)).record["curve"][-1]["train"]
    assert last["closure"] == pytest.approx(8.0)
    assert last["weight"] == pytest.approx(0.1 * (2.0 / 8.0) ** 2)
    assert last["loss"] == pytest.approx(last["content"] + last["weight"] * last["adversarial"], rel=1e-4)


def test_both_parts_of_the_file_are_running_means_of_the_generator(tmp_path):
    name, steps = "learning.0.weight", []
    watcher = Silent(lambda learner: steps.append(learner.network.state_dict()[name].clone()))
    done = trained(duel_run(tmp_path), watcher)
    means = [steps[0]]
    for n, weights in enumerate(steps[1:], start=1):
        decay = min(0.8, (1.0 + n) / (10.0 + n))
        means.append(decay * means[-1] + (1.0 - decay) * weights)
    record, state = done.record, read_weights(done.weights).state
    for part, kept in (("pixel", "pretrained"), ("adversarial", "best")):
        step = record[kept]["step"]
        torch.testing.assert_close(state[f"{part}.{name}"], means[step - 1])
        assert not torch.equal(state[f"{part}.{name}"], steps[step - 1])
    assert record["pretrained"]["step"] <= 6 < record["best"]["step"]


def test_a_discriminator_that_is_always_right_or_wrong_is_a_collapse():
    settings = AdversarialSettings(patience=3, least_variety=0.01)
    for accuracy, said in (
        (1.0, "right on every image of 3 steps"),
        (0.0, "wrong on every image of 3 steps"),
    ):
        contest = Contest()
        for _ in range(2):
            contest.count(accuracy, 1.0, 1.0)
        assert contest.collapse(settings) == ""
        contest.count(accuracy, 1.0, 1.0)
        assert said in contest.collapse(settings)
        contest.count(0.75, 1.0, 1.0)
        assert contest.collapse(settings) == ""


def test_lost_variety_is_a_collapse_once_it_has_settled():
    settings, contest = AdversarialSettings(least_variety=0.01), Contest()
    for step in range(SETTLING):
        assert contest.collapse(settings) == "", step
        contest.count(0.75, 0.002, 1.0)
    assert "lost its variety: 0.002" in contest.collapse(settings)


def test_an_input_that_is_shown_beside_does_not_count_as_variety():
    """Else a generator that always draws the same would look as varied as what it is given."""
    torch.manual_seed(0)
    real, given = 2.0 * torch.randn(64, 1, 8, 8), 5.0 * torch.randn(64, 1, 8, 8)
    beside = [torch.cat([images, given], dim=1) for images in (torch.zeros_like(real), real)]
    assert variances(*beside) == pytest.approx((0.0, 4.0), rel=0.05)
    assert variances(0.5 * real, real) == pytest.approx((1.0, 4.0), rel=0.05)
    assert variances(real, real)[0] == variances(real, real)[1] > 3.0
    assert variances(real[:1] + 1.0, real[:1]) == pytest.approx((float(real[0].var(correction=0)),) * 2)


def test_a_collapse_stops_and_says_so_and_keeps_the_best_weights(tmp_path, monkeypatch):
    """A discriminator that sees the answer is right always."""

    def told(made):
        return lambda generated, batch: (0.0 * generated - 10.0, 0.0 * batch["truth2"][:, None] + 10.0)

    with_task(monkeypatch, shown=told)
    text = f"{DUEL}patience = 4\ndiscriminator_rate = 10.0\n"
    run = duel_run(tmp_path, text=text, epochs=40)
    with pytest.raises(
        CollapsedTraining,
        match=r"collapsed at step .*right on every image of 4 steps; .*best weights so far are",
    ):
        trained(run)
    record = json.loads((run.output / "tiny.training.json").read_text())
    assert record["stopped"] == "collapsed"
    state = read_weights(run.output / "tiny.safetensors").state
    assert all(bool(torch.isfinite(value).all()) for value in state.values())


def test_losses_that_are_no_number_are_named(tmp_path, monkeypatch):
    with_task(
        monkeypatch, closure=lambda made: lambda generated, batch: torch.full((len(generated),), math.nan)
    )
    with pytest.raises(TrainingError, match=r"flux became nan at step 7 \(epoch 3\)"):
        trained(duel_run(tmp_path))


def test_a_loss_that_is_no_number_in_the_first_part_is_named_and_no_half_a_file_is_written(
    tmp_path, monkeypatch
):
    seen = []

    def loss(network, batch):
        seen.append(1)
        parts = duel.tiny.loss(network, batch)
        return parts if len(seen) <= 3 else {"loss": math.nan * parts["loss"]}

    with_task(
        monkeypatch, loss=lambda made: loss, metrics=lambda made: lambda *_: {"loss": torch.tensor(1.0)}
    )
    run = duel_run(tmp_path)
    with pytest.raises(TrainingError, match=r"loss became nan at step 4 .*gradient_clip$"):
        trained(run)
    assert not (run.output / "tiny.safetensors").exists()


def test_what_cannot_be_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no epoch is adversarial; more epochs"):
        trained(duel_run(tmp_path, epochs=1))
    with pytest.raises(UsageError, match="runs on one device"):
        trained(duel_run(tmp_path, devices=2))
    with pytest.raises(UsageError, match=r"has no wieght; it has: kind, regulariser"):
        trained(duel_run(tmp_path, text=f"{DUEL}wieght = 1\n"))
    for wrong, said in (
        ('kind = "hinge"', "kind 'hinge' is not bce or relativistic"),
        ('regulariser = "r2"', "regulariser 'r2' is not r1, spectral or none"),
        ("gamma = -1", "gamma must not be negative"),
        ("closure = 0", "closure must be above 0"),
    ):
        with pytest.raises(UsageError, match=said):
            trained(duel_run(tmp_path, text=f"{DUEL}{wrong}\n"))
    with pytest.raises(UsageError, match="pretrain must be from 0 to below 1"):
        AdversarialSettings(pretrain=1.0)


def test_the_curve_shows_both_losses(tmp_path, monkeypatch, left_alone):
    from matplotlib.axes import Axes

    drawn = {}
    plot = Axes.plot

    def remembered(axes, *arguments, **options):
        drawn[options.get("label")] = arguments[1]
        return plot(axes, *arguments, **options)

    monkeypatch.setattr(Axes, "plot", remembered)
    record = left_alone["r1"].record
    assert draw_curve(record, tmp_path / "curve.png")
    for name in ("adversarial", "discriminator"):
        assert drawn[name] == [entry["train"][name] for entry in record["curve"][2:]]
    assert (tmp_path / "curve.png").stat().st_size > 1000


def test_the_first_steps_against_a_discriminator_leave_a_trace_for_tensorboard(left_alone):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = EventAccumulator(str(left_alone["r1"].weights.parent / "tensorboard"))
    log.Reload()
    curve = left_alone["r1"].record["curve"]
    for name in ("adversarial", "discriminator"):
        found = {event.step: event.value for event in log.Scalars(f"train/{name}")}
        assert found == pytest.approx({entry["step"]: entry["train"][name] for entry in curve[2:]}, rel=1e-5)


@pytest.mark.parametrize(("name", "value"), [("weight", "high"), ("kind", 3), ("pretrain", True)])
def test_a_setting_of_another_type_is_named(name, value):
    with pytest.raises(
        UsageError, match=rf"\[loss.adversarial\] {name} must be a (number|word), got {value!r}"
    ):
        AdversarialSettings.from_table({name: value})
