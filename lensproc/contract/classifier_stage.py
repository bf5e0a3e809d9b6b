"""A stage that is one classifier: every view of each image through the network, one answer out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lensproc.contract.class_findings import table_of, values_of
from lensproc.contract.network import NetworkStage
from lensproc.contract.stage import StageOutput
from lensproc.enhanced import Plane
from lensproc.errors import PluginError, WeightsError
from lensproc.nn.classifying.answer import Answers, answers_of
from lensproc.nn.classifying.calibrated import Calibrated
from lensproc.nn.classifying.classes import CLASSES
from lensproc.nn.classifying.saliency import PLANE, load_captum, saliency_of
from lensproc.nn.classifying.views import outputs_of_views

if TYPE_CHECKING:
    from lensproc.contract.manifest import Manifest, OptionValue
    from lensproc.contract.stage import Batch
    from lensproc.nn.classifying.saliency import Frame, Inputs


class ClassifierStage(NetworkStage):
    """Classify images. A subclass whose network takes more than the images overrides `inputs`.

    Parameters
    ----------
    manifest : Manifest
        What the stage says of itself.
    options : mapping
        ``views``: 8 or 1; ``saliency``: a method, or ``none``; the rest as for `NetworkStage`.
    build : callable
        Hyperparameters to a `Calibrated` network.
    classes : tuple of str
        What its outputs mean, in their order.
    """

    def __init__(
        self,
        manifest: Manifest,
        options: Mapping[str, OptionValue],
        build: Callable[[Mapping[str, Any]], torch.nn.Module],
        classes: tuple[str, ...] = CLASSES,
    ) -> None:
        super().__init__(manifest, options, build)
        self.views, self.classes = int(options["views"]), classes
        self.saliency = str(options.get("saliency", "none"))

    def load(self, device: torch.device, dtype: torch.dtype) -> None:
        """Read the weights, and what was fitted to validation images with them.

        Raises
        ------
        WeightsError
            Where there are none, they do not fit, or nothing was fitted.
        """
        super().load(device, dtype)
        if not isinstance(self.network, Calibrated):
            raise PluginError(f"stage {self.manifest.id}: its network is no Calibrated one")
        if not self.network.fitted:
            raise WeightsError(
                f"stage {self.manifest.id}: no temperature was fitted to these weights, so their probabilities "
                "mean nothing",
                file=self.loaded_weights[0].file,
                remedy=f"lensproc train {self.manifest.id} fits it when it ends",
            )
        if self.saliency != "none":
            load_captum()  # what is missing is told before any image is classified

    def inputs(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        """Arguments of the network: those of shape (N, c, H, W) are turned with the views, others are not."""
        return (batch.images,)

    def apply(self, batch: Batch) -> StageOutput:
        """Classify the images of a batch, and where the batch holds them the enhanced ones too."""
        answers = self.answers(batch)
        enhanced = None if batch.enhanced is None else self.answers(batch.enhanced)
        failed = tuple(_reason(answers, enhanced, i) for i in range(len(batch)))
        return StageOutput(
            values=tuple(
                {} if failed[i] else values_of(answers, enhanced, i, self.classes) for i in range(len(batch))
            ),
            tables=tuple(
                {} if failed[i] else {"CLASS": table_of(answers, enhanced, i, self.classes)}
                for i in range(len(batch))
            ),
            planes=() if self.saliency == "none" else self.planes(batch, answers),
            failed=failed if any(failed) else (),
        )

    def planes(self, batch: Batch, answers: Answers) -> tuple[dict[str, Plane], ...]:
        """Saliency of the likeliest class of each image, as it lies."""
        assert self.network is not None
        likeliest = torch.from_numpy(answers.probabilities.argmax(axis=1)).to(batch.images.device)
        with torch.inference_mode(False):
            plain = dataclasses.replace(batch, images=batch.images.clone())
            inputs, frame = self.looks(plain)
            maps = saliency_of(self.saliency, self.network, plain.images, likeliest, inputs, frame)
        words = f"{self.saliency} of the likeliest class"
        return tuple({PLANE: Plane(one, 1.0, description=words)} for one in maps.cpu().numpy())

    def looks(self, batch: Batch) -> tuple[Inputs, Frame | None]:
        """How the network looks at a batch, for `saliency_of`: a subclass that resamples says how."""
        return lambda images: self.inputs(dataclasses.replace(batch, images=images)), None

    def answers(self, batch: Batch) -> Answers:
        """Answers for the images of a batch, whatever `batch.enhanced` holds."""
        network = self.network
        if not isinstance(network, Calibrated):
            raise PluginError(f"stage {self.manifest.id} is used before it is loaded")
        logits, features = outputs_of_views(network, self.inputs(batch), self.views)
        scale = network.scale_of(self.views)
        return answers_of(
            _doubles(logits),
            _doubles(network.distances(features.float())),
            float(scale.temperature),
            float(scale.threshold),
            _doubles(scale.reference),
        )


def _doubles(tensor: torch.Tensor) -> Any:
    return tensor.float().cpu().numpy().astype(np.float64)


def _reason(answers: Answers, enhanced: Answers | None, index: int) -> str | None:
    """Say why there is no answer for an image; None where there is one."""
    both: Sequence[tuple[str, Answers | None]] = (("the image", answers), ("the enhanced image", enhanced))
    for what, found in both:
        if found is not None and not np.isfinite(found.probabilities[index]).all():
            return f"the network's answer for {what} is not finite"
    return None
