"""What a step needs beforehand: seeds that follow from its number, fields, and modes of the network."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from lensproc.contract.training import Fields, TrainingTask

STEP_SEED, VALIDATION_SEED = 3, 4
"""Streams of random numbers, beside those of `lensproc.train.batches`."""


def mixed_seed(*numbers: int) -> int:
    """One seed of 63 bits from several numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))


def prepared_for_validation(task: TrainingTask, fields: Fields, generator: torch.Generator) -> Fields:
    """Fields of a batch of validation, as the task wants them."""
    prepare = task.prepare_validation or task.prepare
    return fields if prepare is None else prepare(fields, generator)


def keep_frozen_parts_in_eval(network: nn.Module) -> None:
    """Put every part whose parameters are all frozen into eval mode: no dropout, no moving statistics."""
    for part in network.modules():
        parameters = list(part.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            part.eval()
