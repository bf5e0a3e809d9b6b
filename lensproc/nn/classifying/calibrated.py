"""A classifier with what makes its probabilities mean something, fitted to images that trained no weight.

Half of the validation images fit the temperature (Guo et al. 2017, ICML, 1321) and the shape of the cloud of
features (Lee et al. 2018, NeurIPS, 7167). The other half, which neither has seen, gives the threshold of the 90 %
sets (split conformal prediction: Angelopoulos & Bates 2021, arXiv:2107.07511; the score is that of Sadinle et al.
2019, JASA 114, 223) and the distances that new images are ranked among (conformal anomaly detection: Laxhammar &
Falkman 2015, Ann. Math. Artif. Intell. 74, 67). So both hold for new images drawn as those were; but all of
validation has chosen the epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from lensproc.nn.classifying.answer import (
    COVERAGE,
    conformal_threshold,
    negative_log_likelihood,
    probabilities_of,
)
from lensproc.nn.classifying.views import VIEWS, outputs_of_views

Array = NDArray[np.float64]
Inputs = Callable[[Mapping[str, torch.Tensor]], Sequence[torch.Tensor | None]]

LOG_TEMPERATURE = (-3.0, 3.0)
"""Range that the logarithm of the temperature is sought in."""
SEED = 0
"""Of the order in which validation images are dealt to the two halves."""
FLOOR = 1e-6
"""Least variance of a feature, relative to the mean of all: one that never varied has no scale of its own."""


class Fits(nn.Module):
    """Buffers that are as long as what was fitted; a file of weights says how long that is."""

    def _load_from_state_dict(self, state: Mapping[str, Any], prefix: str, *rest: Any) -> None:
        for name, buffer in self.named_buffers(recurse=False):
            found = state.get(prefix + name)
            if found is not None and found.shape != buffer.shape:
                self.register_buffer(name, buffer.new_zeros(found.shape))
        super()._load_from_state_dict(state, prefix, *rest)


def images_and_context(fields: Mapping[str, torch.Tensor]) -> Sequence[torch.Tensor | None]:
    """Take ``images`` (N, c, H, W) of a batch of training, and ``context`` (N, c) where there is one."""
    return fields["images"], fields.get("context")


class Scale(Fits):
    """What turns outputs into probabilities, sets and p-values, for so many views.

    Attributes
    ----------
    temperature : torch.Tensor, shape ()
        What logits are divided by.
    threshold : torch.Tensor, shape ()
        A class is in the 90 % set where 1 − probability is no more than this.
    reference : torch.Tensor, shape (n,)
        Distances of the validation images, ascending.
    """

    temperature: torch.Tensor
    threshold: torch.Tensor
    reference: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("temperature", torch.ones(()))
        self.register_buffer("threshold", torch.ones(()))
        self.register_buffer("reference", torch.zeros(0))


class Calibrated(Fits):
    """A backbone, and what is fitted to its outputs on validation images.

    Parameters
    ----------
    backbone : nn.Module
        With ``features(images, …) -> (N, F)`` and ``head(features) -> (N, K)``, logits without softmax.

    Notes
    -----
    The buffers are in the state dict, flat, so that they stay float32 where kernels are stored as float16. Before
    `fit` they are empty and the temperature is 1.
    """

    class_means: torch.Tensor
    whitening: torch.Tensor

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.one_view, self.all_views = Scale(), Scale()
        self.register_buffer("class_means", torch.zeros(0))
        self.register_buffer("whitening", torch.zeros(0))

    @property
    def fitted(self) -> bool:
        """Whether `fit` has been called, or weights were loaded after which it had been."""
        return self.whitening.numel() > 0

    def scale_of(self, views: int) -> Scale:
        """Return what was fitted for images shown in so many views: 1 or 8."""
        return self.one_view if views == 1 else self.all_views

    def features(self, *inputs: torch.Tensor | None) -> torch.Tensor:
        """Features (N, F) before the logits."""
        found: torch.Tensor = self.backbone.features(*inputs)  # type: ignore[operator]
        return found

    def head(self, features: torch.Tensor) -> torch.Tensor:
        """Logits (N, K) of features, not scaled."""
        logits: torch.Tensor = self.backbone.head(features)  # type: ignore[operator]
        return logits

    def forward(self, *inputs: torch.Tensor | None) -> torch.Tensor:
        """Logits (N, K), not scaled, for a loss that takes logits."""
        return self.head(self.features(*inputs))

    def distances(self, features: torch.Tensor) -> torch.Tensor:
        """Mahalanobis distance to the nearest class, averaged over the views.

        Parameters
        ----------
        features : torch.Tensor, shape (N, V, F)
            Of V views of N images.

        Returns
        -------
        torch.Tensor, shape (N,)
            Lee et al. 2018, eq. 2, as a distance, not its square.
        """
        size = features.shape[-1]
        matrix, means = self.whitening.view(size, size), self.class_means.view(-1, size)
        middle = means.mean(0)  # both are moved there, so that little is lost to rounding
        points, centres = (features - middle) @ matrix.T, (means - middle) @ matrix.T
        apart = torch.cdist(points, centres, compute_mode="donot_use_mm_for_euclid_dist")
        return apart.amin(-1).mean(-1)

    @torch.no_grad()
    def fit(
        self,
        batches: Iterable[Mapping[str, torch.Tensor]],
        inputs: Inputs = images_and_context,
    ) -> dict[str, float]:
        """Fit the buffers to validation images; for `TrainingTask.finish`.

        Parameters
        ----------
        batches : iterable of mapping
            Prepared fields with ``label`` (N,). The network has to be in evaluation mode.
        inputs : callable
            Fields to the inputs of the network.

        Returns
        -------
        dict
            How many images fitted and how many set the thresholds; and for one view and for all: temperature and
            threshold, and on the images that fitted nothing the negative log-likelihood [nat] at temperature 1 and
            at that one, and the accuracy.
        """
        outputs = [(*outputs_of_views(self, inputs(fields)), fields["label"]) for fields in batches]
        logits, features, labels = (torch.cat([output[i] for output in outputs]) for i in range(3))
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(SEED)).to(labels.device)
        fitting, held = order[: len(order) // 2], order[len(order) // 2 :]
        self._fit_cloud(features[fitting], labels[fitting])
        found = {"images_fitting": float(len(fitting)), "images_held": float(len(held))}
        truth = labels[held].cpu().numpy()
        for name, scale, views in (("one_view", self.one_view, 1), ("all_views", self.all_views, VIEWS)):
            temperature = fit_temperature(_doubles(logits[fitting, :views]), labels[fitting].cpu().numpy())
            rest = _doubles(logits[held, :views])
            probabilities = probabilities_of(rest, temperature).mean(axis=1)
            scores = 1.0 - probabilities[np.arange(len(truth)), truth]
            scale.temperature.fill_(temperature)
            scale.threshold.fill_(conformal_threshold(scores, COVERAGE))
            scale.reference = self.distances(features[held, :views]).float().sort().values
            found |= {
                f"{name}_temperature": temperature,
                f"{name}_threshold": float(scale.threshold),
                f"{name}_nll_before": negative_log_likelihood(rest, truth, 1.0),
                f"{name}_nll_after": negative_log_likelihood(rest, truth, temperature),
                f"{name}_accuracy": float((probabilities.argmax(axis=1) == truth).mean()),
            }
        return found

    def _fit_cloud(self, features: torch.Tensor, labels: torch.Tensor) -> None:
        """Fit class means and the inverse root of the covariance about them (Ledoit & Wolf 2004, JMVA 88, 365)."""
        from sklearn.covariance import ledoit_wolf

        size = features.shape[-1]
        points, known = _doubles(features), labels.cpu().numpy()
        classes = np.unique(known)
        means = np.stack([points[known == label].reshape(-1, size).mean(axis=0) for label in classes])
        apart = (points - means[np.searchsorted(classes, known)][:, None, :]).reshape(-1, size)
        covariance, _ = ledoit_wolf(apart, assume_centered=True)
        level = float(np.trace(covariance)) / size
        root = np.linalg.cholesky(covariance + (FLOOR * level or 1.0) * np.eye(size))
        self.class_means = torch.from_numpy(means.ravel()).to(features)
        self.whitening = torch.from_numpy(np.linalg.inv(root).ravel()).to(features)


def _doubles(tensor: torch.Tensor) -> Array:
    return tensor.cpu().numpy().astype(np.float64)


def fit_temperature(logits: Array, labels: NDArray[np.integer[Any]]) -> float:
    """Temperature that makes the likelihood of the labels largest.

    Parameters
    ----------
    logits : ndarray, shape (N, V, K)
        Of V views, whose probabilities are averaged.
    labels : ndarray, shape (N,)
        Numbers of the true classes.
    """
    from scipy.optimize import minimize_scalar

    best = minimize_scalar(
        lambda log: negative_log_likelihood(logits, labels, float(np.exp(log))),
        bounds=LOG_TEMPERATURE,
        method="bounded",
    )
    return float(np.exp(best.x))
