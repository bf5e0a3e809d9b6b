"""Which samples make up which batch: a function of the seed and the number of the step, and of nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lensproc.train.augment import TURNS, window
from lensproc.train.cache import CachedShare
from lensproc.train.fields import cropped_shapes, image_side

ORDER, PIECES = 1, 2
"""Streams of random numbers: the order of samples, and what is cut from them and how it is turned."""


@dataclass(frozen=True)
class Batch:
    """Samples of one step.

    Parameters
    ----------
    fields : dict of str to torch.Tensor
        Each of shape (N, ...).
    turns : torch.Tensor or None
        (N,) element of D4 of each sample; None in validation.
    """

    fields: dict[str, torch.Tensor]
    turns: torch.Tensor | None


class Batches:
    """Batches of a set of shares.

    Parameters
    ----------
    shares : sequence of CachedShare
        The samples. Shares whose samples have one shape after cropping are mixed; others have batches of their
        own.
    scales : mapping
        Fields to crop (`TrainingTask.scales`).
    crop : int
        Side of the crops [input px]; 0 for whole images.
    batch_size : int
        Samples per step, over all devices.
    seed : int
        Of order, crops and turns.
    rank, devices : int
        Which part of each batch this process takes.
    """

    def __init__(
        self,
        shares: Sequence[CachedShare],
        scales: Mapping[str, int],
        crop: int,
        batch_size: int,
        seed: int,
        rank: int = 0,
        devices: int = 1,
    ) -> None:
        self.shares, self.scales, self.crop = list(shares), dict(scales), crop
        self.batch_size, self.seed, self.rank, self.devices = batch_size, seed, rank, devices
        self.sides = [image_side(share.fields, scales, f"recipe {share.recipe}") for share in shares]
        groups: dict[Any, list[NDArray[np.int64]]] = {}
        for number, share in enumerate(shares):
            shapes = cropped_shapes(share.fields, scales, crop, f"recipe {share.recipe}")
            rows = np.stack([np.full(share.number, number), np.arange(share.number)], axis=1)
            groups.setdefault(tuple(sorted((n, s.shape, s.dtype) for n, s in shapes.items())), []).append(
                rows
            )
        self.groups = [np.concatenate(rows) for rows in groups.values()]
        self._maps: dict[tuple[int, str], NDArray[Any]] = {}
        self._pass: tuple[int, list[NDArray[np.int64]]] = (-1, [])

    @property
    def steps_per_pass(self) -> int:
        """Steps that take every sample once; what does not fill a batch is left out, other samples each time."""
        return sum(max(1, len(rows) // self.batch_size) for rows in self.groups)

    def rows(self, step: int) -> NDArray[np.int64]:
        """(N, 2) pairs of share and sample of training step `step`."""
        number, place = divmod(step, self.steps_per_pass)
        if self._pass[0] != number:
            self._pass = (number, self._order(number))
        return self._pass[1][place]

    def _order(self, number: int) -> list[NDArray[np.int64]]:
        rng = np.random.default_rng([self.seed, ORDER, number])
        chunks = []
        for rows in self.groups:
            shuffled = rows[rng.permutation(len(rows))]
            if len(rows) < self.batch_size:
                chunks.append(shuffled)
            else:
                full = len(rows) // self.batch_size
                chunks += np.split(shuffled[: full * self.batch_size], full)
        return [chunks[i] for i in rng.permutation(len(chunks))]

    def training(self, step: int) -> Batch:
        """Batch of a training step: random crops, and an element of D4 for each sample."""
        rows = self.rows(step)
        rng = np.random.default_rng([self.seed, PIECES, step])
        room = np.array([self.sides[share] - (self.crop or self.sides[share]) for share, _ in rows])
        corners = np.floor(rng.random((len(rows), 2)) * (room[:, None] + 1)).astype(np.int64)
        turns = rng.integers(0, TURNS, len(rows))
        mine = slice(self.rank, None, self.devices)
        return Batch(self._read(rows[mine], corners[mine]), torch.from_numpy(turns[mine]))

    def validation(self) -> list[NDArray[np.int64]]:
        """(N, 2) pairs of share and sample of every batch of a validation: all samples in order."""
        size, groups = self.batch_size, [rows[self.rank :: self.devices] for rows in self.groups]
        return [rows[start : start + size] for rows in groups for start in range(0, len(rows), size)]

    def central(self, rows: NDArray[np.int64]) -> Batch:
        """Batch of a validation: the middle of each image."""
        middles = [(self.sides[share] - (self.crop or self.sides[share])) // 2 for share, _ in rows]
        return Batch(self._read(rows, np.repeat(np.array(middles)[:, None], 2, axis=1)), None)

    def _read(self, rows: NDArray[np.int64], corners: NDArray[np.int64]) -> dict[str, torch.Tensor]:
        fields = {}
        for name in self.shares[int(rows[0, 0])].fields:
            scale = self.scales.get(name, 0)
            pieces = []
            for (share, number), (y, x) in zip(rows.tolist(), corners.tolist(), strict=True):
                values = self._map(share, name)[number]
                if scale > 0:
                    side = self.crop or self.sides[share]
                    values = values[..., window(y, side, scale), window(x, side, scale)]
                pieces.append(values)
            fields[name] = torch.from_numpy(np.stack(pieces))
        return fields

    def _map(self, share: int, name: str) -> NDArray[Any]:
        if (share, name) not in self._maps:
            self._maps[share, name] = self.shares[share].open(name)
        return self._maps[share, name]


class TrainingSteps:
    """Batches of steps `first` to `last` - 1, the next ones read ahead in threads where that helps.

    Parameters
    ----------
    batches : Batches
        Where they come from.
    first, last : int
        Steps, counted from the beginning of the training.
    ahead : int
        Batches to read ahead; 0 reads each when it is wanted.
    """

    def __init__(self, batches: Batches, first: int, last: int, ahead: int = 0) -> None:
        self.batches, self.first, self.last, self.ahead = batches, first, last, ahead

    def __len__(self) -> int:
        return self.last - self.first

    def __iter__(self) -> Iterator[Batch]:
        steps = iter(range(self.first, self.last))
        if not self.ahead:
            yield from map(self.batches.training, steps)
            return
        # One thread: the order of a pass is kept between steps. Copying pixels lets the network's thread run.
        with ThreadPoolExecutor(1) as pool:
            waiting = [pool.submit(self.batches.training, step) for step in islice(steps, self.ahead)]
            while waiting:
                batch = waiting.pop(0).result()
                waiting += [pool.submit(self.batches.training, step) for step in islice(steps, 1)]
                yield batch


class ValidationSteps:
    """Batches of one validation."""

    def __init__(self, batches: Batches) -> None:
        self.batches = batches
        self.chunks = batches.validation()

    def __len__(self) -> int:
        return len(self.chunks)

    def __iter__(self) -> Iterator[Batch]:
        yield from map(self.batches.central, self.chunks)
