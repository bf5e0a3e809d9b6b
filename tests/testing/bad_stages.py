"""Stages that break the contract, each in one way, for the suite to catch."""

from __future__ import annotations

import dataclasses

import torch

from lensproc.contract.manifest import DataFile, Manifest, Option
from lensproc.contract.stage import StageOutput
from lensproc.enhanced import Value

GOOD = Manifest(
    id="good", kind="enhance", factory="tests.testing.bad_stages:Good", summary="gives its input back", halo=0
)


class Good:
    """The identity, which keeps every promise."""

    def __init__(self, manifest, options):
        self.manifest, self.options = manifest, options

    def load(self, device, dtype):
        pass

    def apply(self, batch):
        return StageOutput(images=self.enhance(batch))

    def enhance(self, batch):
        return batch.images.clone()

    def close(self):
        pass


class Transposing(Good):
    def enhance(self, batch):
        return batch.images.transpose(-1, -2).contiguous()


class Flipping(Good):
    def enhance(self, batch):
        return batch.images.flip(-1)


class WritesIntoItsInput(Good):
    def enhance(self, batch):
        return batch.images.mul_(1.0).add_(1e-3)


class WritesIntoTheVariance(Good):
    def enhance(self, batch):
        if batch.variance is not None:
            batch.variance.clamp_(max=0.5)
        return batch.images.clone()


class LooksAtNeighbours(Good):
    def enhance(self, batch):
        return batch.images - 1e-3 * batch.images.mean((0, 2, 3), keepdim=True)


class Reverses(Good):
    def enhance(self, batch):
        return batch.images.flip(0)


class DropsOne(Good):
    def enhance(self, batch):
        return batch.images[: max(1, len(batch) - 1)].clone()


class LosesFlux(Good):
    def enhance(self, batch):
        return 0.95 * batch.images


class HalfPixel(Good):
    def enhance(self, batch):
        return 0.5 * (batch.images + batch.images.roll(1, -1))


class Random(Good):
    def enhance(self, batch):
        return batch.images + 1e-4 * torch.randn_like(batch.images)


class MakesNaN(Good):
    def enhance(self, batch):
        return torch.log(batch.images - batch.images.amin()) * 0 + batch.images.sqrt()


class DividesByTheNoise(Good):
    def enhance(self, batch):
        return batch.images * (batch.items[0].noise[0] / batch.items[0].noise[0])


class DividesByTheRange(Good):
    def enhance(self, batch):
        spread = batch.images.amax((1, 2, 3), keepdim=True) - batch.images.amin((1, 2, 3), keepdim=True)
        return batch.images / spread * spread


class FixedEpsilon(Good):
    def enhance(self, batch):
        peak = batch.images.abs().amax((1, 2, 3), keepdim=True)
        return batch.images / (peak + 1e-8) * peak


class LogScale(Good):
    def enhance(self, batch):
        return torch.expm1(torch.log1p(batch.images))


class ForgetsTheMask(Good):
    def enhance(self, batch):
        return batch.images.masked_fill(batch.mask, float("nan"))


class NeedsEvenSides(Good):
    def enhance(self, batch):
        blocks = torch.nn.functional.pixel_unshuffle(batch.images, 2)
        return torch.nn.functional.pixel_shuffle(blocks, 2)


class NeedsEightPixels(Good):
    def enhance(self, batch):
        return torch.nn.functional.conv2d(batch.images, torch.ones(1, 1, 8, 8)).mean() * 0 + batch.images


class NeedsThePSF(Good):
    def enhance(self, batch):
        return batch.images * float(sum(item.psf.image.sum() for item in batch.items) > 0)


class DrawsAPattern(Good):
    def enhance(self, batch):
        pattern = torch.zeros_like(batch.images)
        pattern[..., ::2, :] = 5.0
        pattern[..., : pattern.shape[-2] // 2, :] *= -1.0
        return batch.images + 3.0 * pattern


class AlignsCorners(Good):
    def enhance(self, batch):
        return torch.nn.functional.interpolate(
            batch.images, scale_factor=2, mode="bilinear", align_corners=True
        )


class HoldsALambda(Good):
    def __init__(self, manifest, options):
        super().__init__(manifest, options)
        self.function = lambda x: x


class CountsItsCalls(Good):
    calls = 0

    def enhance(self, batch):
        self.calls += 1
        return batch.images + 1e-3 * self.calls


class WordsOnly(Good):
    def apply(self, batch):
        return StageOutput(values=tuple({"PROBABILITY": Value(0.5)} for _ in batch.items))


class Unserialisable(Good):
    def apply(self, batch):
        return StageOutput(values=tuple({"PLENS": Value(image.mean())} for image in batch.images))


class Silent(Good):
    def apply(self, batch):
        return StageOutput()


class Classifier(Good):
    def apply(self, batch):
        means = batch.images.mean((1, 2, 3))
        return StageOutput(values=tuple({"MEANSB": Value(float(mean), 0.1, "", "mean")} for mean in means))


class WantsProduct(Good):
    def apply(self, batch):
        values = tuple({"TWICE": Value(2.0 * item.products["MEANSB"].value)} for item in batch.items)
        return StageOutput(values=values)


def variant(name: str, **changes) -> Manifest:
    """Manifest of one of the classes above."""
    return dataclasses.replace(
        GOOD, id=name.lower(), factory=f"tests.testing.bad_stages:{name}", summary=name, **changes
    )


BAD = {
    "output_shape": [variant("Transposing"), variant("Good", scale=2)],
    "star_keeps_centroid": [variant("Transposing"), variant("Flipping"), variant("HalfPixel")],
    "inputs_are_not_mutated": [variant("WritesIntoItsInput"), variant("WritesIntoTheVariance")],
    "batch_equals_singles": [variant("LooksAtNeighbours")],
    "order_is_kept": [variant("Reverses"), variant("DropsOne")],
    "star_keeps_flux": [
        variant("LosesFlux"),
        variant("AlignsCorners", scale=2),
        variant("AlignsCorners", scale=2, amplitude="flux"),
    ],
    "repeats_bit_for_bit": [variant("Random"), variant("CountsItsCalls")],
    "finite_output": [variant("MakesNaN")],
    "all_zero": [variant("DividesByTheNoise"), variant("DividesByTheRange")],
    "constant": [variant("DividesByTheRange")],
    "negative": [variant("LogScale")],
    "small_values": [variant("FixedEpsilon")],
    "masked": [variant("ForgetsTheMask")],
    "odd_sized": [variant("NeedsEvenSides")],
    "smallest": [variant("NeedsEightPixels")],
    "without_psf": [variant("NeedsThePSF")],
    "shift_moves_output": [variant("DrawsAPattern"), variant("Flipping")],
    "stage_pickles": [variant("HoldsALambda")],
    "findings_are_well_formed": [
        variant("WordsOnly", kind="classify"),
        variant("Unserialisable", kind="classify"),
        variant("Silent", kind="classify"),
        variant("Classifier", kind="classify", provides=("KAPPA",)),
    ],
    "defaults_validate": [
        variant("Good", options=(Option("strength", "float", 3.0, "strength", 0.0, 1.0),)),
        variant("Good", options=(Option("strength", "float", 1.0),)),
        variant("Good", normalisation="zscore"),
        variant("Good", dtypes=("bfloat16",)),
        variant("Good", halo=-1),
    ],
    "manifest_survives_json": [
        variant("Good", options=(Option("strength", "float", float("inf"), "strength"),)),
        variant("Good", dtypes=["float32"]),
    ],
    "wrong_weights_are_refused": [variant("Good", weights=(DataFile("testing/nothing.bin", "0" * 64),))],
}
"""Name of a check to stages that must fail it."""
