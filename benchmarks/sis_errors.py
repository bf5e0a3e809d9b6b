"""Calibrate the errors of weights of ``sis`` anew, on more lenses of known truth than training validates on.

Run from the checkout:

    python -m benchmarks.sis_errors sis/sis.safetensors --data samples -o refitted
        [--images hsc=300 rings=200 ...] [--seed 8] [--record sis/sis.training.json]

Lenses are of the ``val`` streams; those of training and of the tables are other ones. Nothing but the calibration
changes. The new file says in its header (``errors``) what it was fitted to, and from which files it comes. Given
the record of the training, one with the new calibration is written too, for ``lensproc card sis --record``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lensproc.contract.training import DataShare, Fields
from lensproc.nn.weights import Weights, half_of, read_weights, save_weights
from lensproc.train.cache import CachedShare, cached_share, simulator_recipe
from lensproc.train.lookup import sha256_of_json
from lensproc.train.record import versions
from lensproc_sis.error_calibration import NAMES, calibrate_to, errors_made
from lensproc_sis.error_fit import ONE_SIGMA, fit_errors
from lensproc_sis.sis_learning import FRAME, build
from lensproc_sis.sis_network import SISNetwork
from lensproc_sis.sis_samples import lens_sample

IMAGES = (
    "rings=200",
    "common-test=200",
    "rings@lsst=60",
    "rings@des=60",
    "rings@euclid-vis=60",
    "euclid-vis=300",
    "hsc=300",
    "hst-acs=300",
    "deeplense-1=200",
    "jwst-nircam=300",
)
"""What the weights that ship were calibrated on."""
SEED = 8
"""Of the recipe ``sis``."""
BATCH = 16


@dataclass(frozen=True)
class Batches:
    """Samples of shares, batch by batch, as often as they are asked for."""

    shares: tuple[CachedShare, ...]
    size: int = BATCH

    def __iter__(self) -> Iterator[Fields]:
        for share in self.shares:
            fields = {name: share.open(name) for name in share.fields}
            for first in range(0, share.number, self.size):
                rows = slice(first, first + self.size)
                yield {name: torch.from_numpy(np.array(values[rows])) for name, values in fields.items()}


def shares_of(images: list[str], seed: int, data: Path) -> tuple[CachedShare, ...]:
    """Open samples of ``RECIPE=NUMBER``; what is not in the folder yet is simulated."""
    shares = []
    for entry in images:
        name, _, number = entry.rpartition("=")
        recipe, sample = simulator_recipe(DataShare(name, int(number))), partial(lens_sample, side=FRAME)
        shares.append(cached_share(data, recipe, int(number), seed, "val", sample))
    return tuple(shares)


@dataclass(frozen=True)
class Errors:
    """Errors that a network made of lenses: what `errors_made` gives, and the recipe of each lens."""

    features: torch.Tensor
    ratio: torch.Tensor
    radius: torch.Tensor
    recipes: tuple[str, ...]


def network_of(weights: Weights) -> SISNetwork:
    """Build the network of a weights file."""
    network = build(weights.metadata["network"])
    network.load_state_dict(weights.state)
    return network.eval()


def measured(weights: Weights, shares: tuple[CachedShare, ...]) -> Errors:
    """Measure the lenses of shares."""
    network = network_of(weights)
    made = []
    for share in shares:
        made.append(errors_made(network, Batches((share,))))
        print(f"{share.recipe}: {share.number} lenses measured", flush=True)
    recipes = tuple(share.recipe for share in shares for _ in range(share.number))
    features, ratio, radius = (torch.cat(parts) for parts in zip(*made, strict=True))
    return Errors(features, ratio, radius, recipes)


def held_out(errors: Errors, folds: int = 5) -> list[str]:
    """Table of the lenses [%] within 1σ, by recipe, each told by a fit to the other parts of all lenses."""
    number = len(errors.recipes)
    part = np.random.default_rng(1).permutation(number) % folds
    before = errors.ratio <= errors.ratio.quantile(ONE_SIGMA, dim=0)
    after = torch.zeros_like(before)
    for fold in range(folds):
        out = torch.from_numpy(part == fold)
        features, ratio = (part[~out].double().numpy() for part in (errors.features, errors.ratio))
        factor = torch.exp(fit_errors(features, ratio).log_factor(errors.features[out]))
        after[out] = errors.ratio[out] <= factor
    lines = [f"| recipe | number | {' | '.join(NAMES)} |", "|---" * (len(NAMES) + 2) + "|"]
    names = np.array(errors.recipes)
    for name in dict.fromkeys(errors.recipes):
        own = torch.from_numpy(names == name)
        cells = [
            f"{100 * float(one):.0f} → {100 * float(other):.0f}"
            for one, other in zip(before[own].float().mean(0), after[own].float().mean(0), strict=True)
        ]
        lines.append(f"| {name} | {int(own.sum())} | {' | '.join(cells)} |")
    return lines


def refitted(
    weights: Weights, errors: Errors, shares: tuple[CachedShare, ...]
) -> tuple[Weights, dict[str, float]]:
    """Give weights other errors, and numbers for a record; the rest of them stays as it is to the bit."""
    network = network_of(weights)
    fitted = calibrate_to(network, errors.features, errors.ratio, errors.radius)
    said = {
        # all of them hold the same network: whatever names one of them means it
        "refitted_from": [*weights.metadata.get("errors", {}).get("refitted_from", []), weights.sha256],
        "images": [f"{share.recipe}={share.number}" for share in shares],
        "seed": shares[0].seed,
        "split": "val",
        "data_sha256": sha256_of_json([share.to_json() for share in shares]),
        "versions": versions(),
    }
    return Weights(network.state_dict(), {**weights.metadata, "errors": said}, ""), fitted


def record_with(
    record: Mapping[str, Any], errors: Mapping[str, Any], fitted: Mapping[str, float]
) -> dict[str, Any]:
    """Record of a training with another calibration."""
    return {**record, "fitted": dict(fitted), "fitted_to": dict(errors)}


def main() -> None:
    """Calibrate, and write the weights and the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder of simulated samples")
    parser.add_argument("--output", "-o", type=Path, required=True)
    parser.add_argument("--images", nargs="+", default=list(IMAGES), metavar="RECIPE=NUMBER")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--record", type=Path)
    given = parser.parse_args()
    before = read_weights(given.weights)
    shares = shares_of(given.images, given.seed, given.data)
    errors = measured(before, shares)
    print("\n".join(held_out(errors)), flush=True)
    after, fitted = refitted(before, errors, shares)
    given.output.mkdir(parents=True, exist_ok=True)
    target = given.output / given.weights.name
    sha256 = save_weights(target, after.state, after.metadata, half=bool(half_of(before)))
    print("\n".join(f"{name} {value:.4g}" for name, value in fitted.items()))
    print(f"{target.name} {sha256}")
    if given.record is not None:
        record = record_with(json.loads(given.record.read_text("utf-8")), after.metadata["errors"], fitted)
        (given.output / given.record.name).write_text(json.dumps(record, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
