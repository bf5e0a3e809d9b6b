"""The training of a generator: by pixels first, then against a discriminator as well, the two in turn."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from lensproc.contract.adversarial import AdversarialTask
from lensproc.contract.training import Fields, TrainingSettings
from lensproc.errors import PluginError, UsageError
from lensproc.nn.adversarial_losses import accuracy, discriminator_loss, generator_loss, r1_penalty
from lensproc.train.batches import Batch
from lensproc.train.collapse import Contest
from lensproc.train.learner import Learner
from lensproc.train.rates import fraction_done
from lensproc.train.state import Best, CollapsedTraining, copied


def require_two_parts(task: AdversarialTask, settings: TrainingSettings, devices: int) -> None:
    """Refuse what adversarial training cannot do.

    Raises
    ------
    UsageError
        For several devices, half precision, or fewer epochs than two parts need.
    """
    if devices > 1:
        raise UsageError("adversarial training runs on one device", remedy="leave out --devices")
    if settings.precision == "16-mixed":
        raise UsageError("adversarial training runs in 32 or bf16-mixed", remedy="--precision bf16-mixed")
    if math.ceil(task.settings.pretrain * settings.epochs) >= settings.epochs:
        raise UsageError(
            f"with {settings.epochs} epochs and pretrain = {task.settings.pretrain} no epoch is adversarial",
            remedy="more epochs, or a smaller [loss.adversarial] pretrain",
        )


class AdversarialLearner(Learner):
    """Trains the network of an `AdversarialTask`; parameters as of `Learner`.

    The second part begins with the first epoch after the task's share of the steps, or of the budget, or where
    patience is out. In each of its steps the discriminator learns from real and generated images, then the
    generator from its content loss and from the discriminator.
    """

    PARTS = ("network", "discriminator")

    task: AdversarialTask

    def __init__(self, task: AdversarialTask, *rest: Any) -> None:
        super().__init__(task, *rest)
        self.automatic_optimization = False
        self.discriminator = task.discriminator
        self.contest: Contest | None = None
        # Held in a list: judges are no part of what is trained, and no mode but eval is ever set on them.
        self._judges = [] if task.judges is None else [task.judges.requires_grad_(False).eval()]

    # -- what it is -----------------------------------------------------------------------------------------

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:  # type: ignore[override]
        """Return that of the generator and Adam for the discriminator (β₁ = ½, Radford et al. 2016, ICLR)."""
        free = [parameter for parameter in self.discriminator.parameters() if parameter.requires_grad]
        if not free:
            raise PluginError("the discriminator has no parameter that can be trained")
        return [
            super().configure_optimizers(),
            torch.optim.Adam(free, self.settings.learning_rate, (0.5, 0.9)),
        ]

    def on_fit_start(self) -> None:
        """Bring average and judges to the device."""
        super().on_fit_start()
        for judges in self._judges:
            judges.to(self.device)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Begin the second part when it is time, and set the learning rates of this step."""
        super().on_train_batch_start(batch, batch_idx)
        rate = self.trainer.optimizers[0].param_groups[0]["lr"] * self.task.settings.discriminator_rate
        for group in self.trainer.optimizers[1].param_groups:
            group["lr"] = rate
        if self.contest is None and self.progress.step % self.steps_per_epoch == 0 and self._is_time():
            self._begin()

    def _is_time(self) -> bool:
        progress, budget = self.progress, self.settings.budget
        done = fraction_done(progress.step, self.steps, self.seconds, budget)
        return done >= self.task.settings.pretrain

    def _begin(self) -> None:
        """Keep the best weights of the first part, or the present ones, and go on against the discriminator."""
        progress = self.progress
        now = Best(math.inf, self.epoch, progress.step, copied(self.judged.state_dict()))
        progress.pretrained = progress.best or now
        progress.unimproved = progress.waited = 0
        self.contest = Contest()

    # -- optimisation ---------------------------------------------------------------------------------------

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, torch.Tensor]:
        """Let both learn from one batch; return their losses."""
        fields = self.fields_of_step(batch)
        if self.contest is None:
            losses = dict(self.task.loss(self.network, fields))
            self.note(losses)
            self._descend(0, losses["loss"])
            return {"loss": losses["loss"].detach()}
        return self._contend(self.contest, fields)

    def _contend(self, contest: Contest, fields: Fields) -> dict[str, torch.Tensor]:
        task, settings = self.task, self.task.settings
        generated = task.generate(self.network, fields)
        content = dict(task.content(generated, fields))
        shown, real = (images.float() for images in task.shown(generated, fields))
        disagreement = task.closure(generated.detach(), fields).float().square().mean()
        self.require_finite("content loss", content["loss"])
        self.require_finite("disagreement with the input's flux", disagreement)
        with torch.autocast(self.device.type, enabled=False):
            against, right = self._discriminate(shown.detach(), real)
            weight = contest.weight(float(disagreement), settings)
            self.discriminator.requires_grad_(False)
            scores = self.discriminator(real) if settings.kind == "relativistic" else None
            adversarial = generator_loss(settings.kind, scores, self.discriminator(shown))
            total = content["loss"].float() + weight * adversarial
            losses = {
                **content,
                "content": content["loss"],
                "loss": total,
                "adversarial": adversarial,
                "discriminator": against,
                "accuracy": right,
                "weight": torch.tensor(weight),
                "closure": disagreement.sqrt(),
            }
            self.note(losses)
            self._descend(0, total)
            self.discriminator.requires_grad_(True)
        contest.count(float(right), *variances(shown, real))
        self._require_contest(contest)
        return {"loss": total.detach(), "adversarial": adversarial.detach(), "discriminator": against}

    def _discriminate(self, shown: torch.Tensor, real: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Let the discriminator learn; return its loss, without the penalty, and its accuracy before."""
        settings = self.task.settings
        penalised = settings.regulariser == "r1" and settings.gamma > 0.0
        real = real.detach().requires_grad_(penalised)
        of_real, of_fake = self.discriminator(real), self.discriminator(shown)
        loss = discriminator_loss(settings.kind, of_real, of_fake)
        self.require_finite("discriminator's loss", loss)
        penalty = settings.gamma * r1_penalty(of_real, real) if penalised else loss.new_zeros(())
        self._descend(1, loss + penalty)
        return loss.detach(), accuracy(settings.kind, of_real.detach(), of_fake.detach())

    def _descend(self, number: int, loss: torch.Tensor) -> None:
        """Let one of the two optimisers take a step."""
        optimiser = self.optimizers()[number]
        optimiser.zero_grad()
        self.manual_backward(loss)
        if self.settings.gradient_clip:
            free = [parameter for group in optimiser.param_groups for parameter in group["params"]]
            nn.utils.clip_grad_norm_(free, self.settings.gradient_clip)
        optimiser.step()

    def _require_contest(self, contest: Contest) -> None:
        found = contest.collapse(self.task.settings)
        if found:
            kept = "; the best weights so far are kept" if self.keeps else ""
            raise CollapsedTraining(
                f"adversarial training collapsed at step {self.progress.step + 1}: {found}",
                remedy=f"lower [loss.adversarial] weight or discriminator_rate, or raise gamma{kept}",
            )

    # -- validation and checkpoints ---------------------------------------------------------------------------

    @property
    def keeps(self) -> bool:
        """Whether there are weights to write: a file holds both parts."""
        return super().keeps and self.progress.pretrained is not None

    def _judge(self, value: float) -> None:
        """Keep the weights if they are the best of their part."""
        if self.contest is not None and not self.contest.judged:
            self.progress.best = None
            self.contest.judged = True
        super()._judge(value)
        patience = self.settings.patience
        if self.contest is None and patience and self.progress.unimproved >= patience:
            self._begin()

    def content(self) -> dict[str, Any]:
        """Return what a checkpoint holds."""
        return {
            **super().content(),
            "discriminator": self.discriminator.state_dict(),
            "discriminator_optimizer": self.trainer.optimizers[1].state_dict(),
            "contest": None if self.contest is None else self.contest.to_state(),
        }

    def take_up(self, content: Mapping[str, Any]) -> None:
        """Go on from a checkpoint."""
        super().take_up(content)
        self.discriminator.load_state_dict(content["discriminator"])
        self.trainer.optimizers[1].load_state_dict(content["discriminator_optimizer"])
        self.contest = None if content["contest"] is None else Contest.from_state(content["contest"])


def variances(shown: torch.Tensor, real: torch.Tensor) -> tuple[float, float]:
    """Mean variance of a pixel over a batch of generated and of real images; of one image each, over its pixels.

    A channel that is the same in both, such as an input that is shown beside them, does not count: it varies
    whatever the generator does.

    Parameters
    ----------
    shown, real : torch.Tensor, shape (N, C, H, W)
        What the discriminator sees.
    """
    differ = [not torch.equal(shown[:, channel], real[:, channel]) for channel in range(real.shape[1])]
    chosen = [channel for channel, differs in enumerate(differ) if differs or not any(differ)]
    across = None if len(real) < 2 else 0
    first, second = (
        float(images.detach()[:, chosen].var(across, correction=0).mean()) for images in (shown, real)
    )
    return first, second
