"""Classifiers of nobody's: they guess from how uneven an image is."""

from __future__ import annotations

import numpy as np
import torch

from lensproc.contract.hookspecs import hookimpl
from lensproc.contract.manifest import Manifest, Option
from lensproc.contract.stage import Batch, StageOutput
from lensproc.enhanced import Rows, Value

lensproc_api = 1

HERE = "tests.evaluate.classification.guessing"

STUMBLE = Option("stumble", "bool", False, "fail on dim images")

MANIFESTS = (
    Manifest("guess", "classify", f"{HERE}:Guess", "three classes", sees="original", options=(STUMBLE,)),
    Manifest("guess-any", "classify", f"{HERE}:GuessAny", "substructure or not", sees="original"),
    Manifest("speechless", "classify", f"{HERE}:Speechless", "says nothing", sees="original"),
    Manifest("odd", "classify", f"{HERE}:Odd", "other classes", sees="original"),
)


@hookimpl
def lensproc_register_stages(register):
    for manifest in MANIFESTS:
        register(manifest)


class Guess:
    """Softmax of a linear function of two numbers of the image; its network has 9 parameters."""

    classes = ("no", "sphere", "vortex")

    def __init__(self, manifest, options):
        self.options = options
        self.network: torch.nn.Module | None = None

    def load(self, device, dtype):
        self.network = torch.nn.Linear(2, len(self.classes))
        with torch.no_grad():
            self.network.weight.copy_(
                torch.tensor([[0.0, 1.0], [1.0, 0.0], [-1.0, 0.5]])[: len(self.classes)]
            )
            self.network.bias.zero_()

    def apply(self, batch: Batch) -> StageOutput:
        assert self.network is not None
        images = batch.images.double()
        uneven = images.diff(dim=-1).abs().mean((1, 2, 3)) / images.std((1, 2, 3))
        bright = images.amax((1, 2, 3)) / images.std((1, 2, 3))
        features = torch.stack([10.0 * uneven, bright - 5.0], dim=1).float()
        probabilities = self.network(features).softmax(1).double().numpy()
        failed = tuple("too dim" if dim else None for dim in (bright < 5.0).tolist())
        stumbles = self.options.get("stumble", False)
        return StageOutput(
            tables=tuple({"CLASS": self.rows(p / p.sum())} for p in probabilities),
            values=tuple({"LPOOD": Value(float(b) % 1.0)} for b in bright),
            failed=failed if stumbles else (),
        )

    def rows(self, probabilities) -> Rows:
        return Rows(
            {
                "CLASS": np.array(self.classes),
                "PROB": probabilities,
                "INSET": probabilities > 0.2,
            }
        )

    def close(self):
        self.network = None


class GuessAny(Guess):
    classes = ("no", "substructure")


class Odd(Guess):
    classes = ("lens", "galaxy")


class Speechless(Guess):
    network = None

    def load(self, device, dtype):
        pass

    def apply(self, batch: Batch) -> StageOutput:
        return StageOutput(values=tuple({"LPOOD": Value(0.5)} for _ in range(len(batch))))
