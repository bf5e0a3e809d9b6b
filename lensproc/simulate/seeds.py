"""Random streams: image i of a split depends on recipe, seed, split and i, and on nothing else."""

from __future__ import annotations

import hashlib
from typing import Literal

import numpy as np

from lensproc.errors import UsageError

Split = Literal["train", "val", "test"]
"""Which of the three disjoint ranges of random streams."""

SPLIT_SIZE = 2**30
"""Number of streams that each split owns."""

SPLIT_START = {"train": 0, "val": SPLIT_SIZE, "test": 2 * SPLIT_SIZE}
"""First stream of each split: ranges [start, start + SPLIT_SIZE) cannot overlap."""


def stream_number(split: str, index: int) -> int:
    """Give the number of the random stream of image `index` of `split`.

    Raises
    ------
    UsageError
        For an unknown split, or an index outside its range.
    """
    if split not in SPLIT_START:
        raise UsageError(f"split {split!r} is not train, val or test")
    if not 0 <= index < SPLIT_SIZE:
        raise UsageError(f"image {index} lies outside the {SPLIT_SIZE} streams of split {split}")
    return SPLIT_START[split] + index


def generator(recipe: str, seed: int, split: str, index: int) -> np.random.Generator:
    """Random generator of one image.

    The stream is ``SeedSequence(seed, spawn_key=(recipe, stream))`` where the recipe enters by 32 bits of the
    SHA-256 of its name, so that equal seeds of different recipes share nothing.
    """
    if seed < 0:
        raise UsageError(f"the seed must not be negative, got {seed}")
    word = int.from_bytes(hashlib.sha256(recipe.encode()).digest()[:4], "big")
    sequence = np.random.SeedSequence(seed, spawn_key=(word, stream_number(split, index)))
    return np.random.Generator(np.random.PCG64(sequence))


def split_hash(definition: str, seed: int, split: str) -> str:
    """SHA-256 (64 hex digits) of what makes the images of a split: the recipe's definition, seed and range.

    Parameters
    ----------
    definition : str
        Canonical text of recipe and instruments (`Recipe.definition`).
    seed : int
        The seed.
    split : str
        train, val or test.
    """
    start = stream_number(split, 0)
    text = f"{definition}\nseed={seed}\nstreams=[{start},{start + SPLIT_SIZE})"
    return hashlib.sha256(text.encode()).hexdigest()
