"""The images that a network was trained on, made again: the domain of a stage is measured on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lensproc.contract.manifest import Manifest, OptionValue
from lensproc.contract.training import DataShare, TrainingRecipe, TrainingTask
from lensproc.contract.weights import weights_path
from lensproc.cutout import PSF, Cutout, Resolved, Source
from lensproc.errors import PluginError, UsageError
from lensproc.evaluate.scenes import require_simulator
from lensproc.qc.domain import Domain, measure_domain
from lensproc.simulate.recipe import Recipe
from lensproc.train.cache import CachedShare, cached_share, simulator_recipe
from lensproc.train.fields import as_arrays
from lensproc.train.lookup import make_task, read_recipe, recipe_path, recipe_sha256

IMAGE = "image"
"""Field of a prepared batch that holds what the network is given."""

BY = "training recipe"


def recipe_of_weights(manifest: Manifest, options: Mapping[str, OptionValue]) -> Path:
    """File of the recipe that a stage's weights were trained with, as the weights name it.

    Raises
    ------
    WeightsError
        Where the stage has no weights.
    UsageError
        Where the weights name no recipe, or one that is not the one that ships.
    """
    from lensproc.nn.weights import read_weights

    weights = weights_path(manifest, options)
    training = read_weights(weights).metadata.get("training")
    record: dict[str, Any] = dict(training) if isinstance(training, dict) else {}
    name, digest = str(record.get("recipe", "")), record.get("recipe_sha256")
    remedy = "give the recipe of their training with --recipe FILE.toml"
    if not name:
        raise UsageError(
            f"the weights of {manifest.id} name no training recipe", file=weights.name, remedy=remedy
        )
    path = recipe_path(manifest, name)
    if recipe_sha256(read_recipe(path)) != digest:
        raise UsageError(
            f"the weights of {manifest.id} were trained with another recipe {name} than ships now",
            file=weights.name,
            remedy=remedy,
        )
    return path


def numbers_of_images(shares: Sequence[DataShare], total: int) -> list[int]:
    """Images of each share of a recipe, in proportion to its number, at least 1 of each, about `total` in all."""
    whole = sum(share.number for share in shares)
    return [min(share.number, max(1, round(total * share.number / whole))) for share in shares]


def domain_of_training(manifest: Manifest, recipe: Path, total: int, data: Path | None = None) -> Domain:
    """Measure what the images of a training are like.

    Parameters
    ----------
    manifest : Manifest
        Of the stage.
    recipe : Path
        Recipe of its training.
    total : int
        About how many images.
    data : Path, optional
        Folder with the training's simulated data.
    """
    read = read_recipe(recipe)
    task = make_task(manifest, read)
    images = training_images(manifest, read, task, total, beside=recipe.parent, data=data)
    source = (
        f"the first of each share of recipe {read.name} (SHA-256 {recipe_sha256(read)[:12]}…), "
        f"seed {read.data_seed}, split train"
    )
    return measure_domain(images, scales_with_light=task.scales_with_light, source=source)


def training_images(
    manifest: Manifest,
    recipe: TrainingRecipe,
    task: TrainingTask,
    total: int,
    *,
    beside: Path | None = None,
    data: Path | None = None,
    split: str = "train",
) -> list[Cutout]:
    """Make the first images of every share of a training again, as the network was given them.

    Parameters
    ----------
    manifest : Manifest
        Of the stage.
    recipe : TrainingRecipe
        Of its training.
    task : TrainingTask
        The stage's task for it.
    total : int
        About how many images, spread over the shares as the training's are.
    beside : Path, optional
        Folder of the recipe, where it may keep recipes of the simulator.
    data : Path, optional
        Folder with the training's simulated data; what is not in it is simulated into it.
    split : str
        ``train`` for the images of the training itself; ``val`` and ``test`` give others of the same kind.

    Returns
    -------
    list of Cutout
        Whole samples, neither cropped nor turned, after `TrainingTask.prepare` (noise, stars, units). They state
        the PSF and no variance.

    Raises
    ------
    UsageError
        Where the simulator's library is missing.
    PluginError
        Where the task's batches hold no field ``image`` of one plane.
    """
    import torch

    require_simulator()
    generator = torch.Generator().manual_seed(recipe.data_seed)
    images = []
    for share, number in zip(recipe.train, numbers_of_images(recipe.train, total), strict=True):
        simulator = simulator_recipe(share, beside)
        kept = None
        if data is not None:
            kept = cached_share(data, simulator, share.number, recipe.data_seed, split, task.sample)
        for index in range(number):
            fields, fwhm = _sample(task, simulator, recipe.data_seed, split, index, kept)
            image = _prepared(manifest, task, fields, generator)
            images.append(_cutout(image, fwhm, f"{simulator.stem}-{index:06d}"))
    return images


def _sample(
    task: TrainingTask, simulator: Recipe, seed: int, split: str, index: int, kept: CachedShare | None
) -> tuple[dict[str, NDArray[Any]], float]:
    """Fields of one sample, and the FWHM of the effective PSF [px]."""
    from lensproc.simulate.image import simulate
    from lensproc.simulate.samples import sample

    if kept is not None and "fwhm" in kept.fields:
        fields = {name: np.array(kept.open(name)[index]) for name in kept.fields}
        return fields, float(fields["fwhm"])
    sim = simulate(simulator, seed, split, index)
    fields = as_arrays(task.sample(sim), f"image {index} of {simulator.name}")
    return fields, float(sample(sim, ("fwhm",))["fwhm"])


def _prepared(
    manifest: Manifest, task: TrainingTask, fields: dict[str, NDArray[Any]], generator: Any
) -> NDArray[np.float32]:
    """One sample as the network is given it, shape (ny, nx)."""
    import torch

    batch = {name: torch.as_tensor(array)[None] for name, array in fields.items()}
    if task.prepare is not None:
        with torch.no_grad():
            batch = task.prepare(batch, generator)
    image = batch.get(IMAGE)
    if image is None or image.ndim not in (3, 4) or (image.ndim == 4 and image.shape[1] != 1):
        raise PluginError(
            f"the training batches of {manifest.id} hold no field 'image' of one plane: its domain is unknown",
            remedy="name the images that the network is given 'image', or calibrate with --domain 0",
        )
    # a task may take every sky several times; the first take is as good as any
    return np.asarray(image[0].reshape(image.shape[-2:]), np.float32)


def _cutout(image: NDArray[np.float32], fwhm: float, name: str) -> Cutout:
    from astropy.io.fits import Header

    return Cutout(
        data=image,
        variance=None,
        mask=np.zeros(image.shape, np.uint32),
        header=Header(),
        source=Source(name, "0", "0" * 64, BY),
        psf=Resolved(PSF(fwhm), BY),
    )
