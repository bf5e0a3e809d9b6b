"""Weights on disk: safetensors, with what is needed to rebuild the network and to know where it comes from."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from lensproc.errors import WeightsError

KEY = "lensproc"
"""The one entry of the file's metadata: several are written in no fixed order, and the hash would change."""


@dataclass(frozen=True)
class Weights:
    """Contents of a weights file.

    Parameters
    ----------
    state : dict of str to torch.Tensor
        For ``Module.load_state_dict``; floating tensors are float32.
    metadata : dict
        JSON values: ``stage`` (id), ``network`` (hyperparameters), ``training`` (how it came about).
    sha256 : str
        Of the bytes that were read.
    """

    state: dict[str, torch.Tensor]
    metadata: dict[str, Any]
    sha256: str


def save_weights(
    path: str | os.PathLike[str],
    state: Mapping[str, torch.Tensor],
    metadata: Mapping[str, Any],
    half: bool = False,
) -> str:
    """Write a weights file; the same contents give the same bytes.

    Parameters
    ----------
    path : path-like
        Where; an existing file is replaced at once, never seen half-written.
    state : mapping of str to torch.Tensor
        From ``Module.state_dict()``.
    metadata : mapping
        JSON values; ``stage`` and ``network`` are needed to load it again.
    half : bool
        Store kernels (tensors of two axes and more) as float16. Biases and statistics of normalisations stay
        float32: they are few, and their range is wider.

    Returns
    -------
    str
        SHA-256 of the file.

    Raises
    ------
    WeightsError
        For a value that is not finite, or too large for float16.
    """
    target = Path(path)
    tensors = {name: _stored(name, tensor, half, target) for name, tensor in state.items()}
    text = json.dumps(metadata, sort_keys=True, separators=(",", ":"), allow_nan=False)
    content = save(tensors, metadata={KEY: text})
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    partial.write_bytes(content)
    partial.replace(target)
    return hashlib.sha256(content).hexdigest()


def write_half(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> str:
    """Write weights again with kernels as float16, to ship them.

    The metadata are kept, and ``training`` gets the entry ``float32_sha256``: the hash of the file they are from,
    by which the record of its training is found (`half_of`).

    Returns
    -------
    str
        SHA-256 of the file.

    Raises
    ------
    WeightsError
        Where the source cannot be read, or a kernel has no place in float16.
    """
    weights = read_weights(source)
    training = {**weights.metadata.get("training", {}), "float32_sha256": weights.sha256}
    return save_weights(target, weights.state, {**weights.metadata, "training": training}, half=True)


def half_of(weights: Weights) -> str:
    """SHA-256 of the file that weights are the halved ones of (`write_half`); empty for others."""
    training = weights.metadata.get("training")
    return str(training.get("float32_sha256", "")) if isinstance(training, dict) else ""


def _stored(name: str, tensor: torch.Tensor, half: bool, target: Path) -> torch.Tensor:
    # a copy in the plain layout: two names of one tensor are refused, and layouts are not kept
    stored = tensor.detach().to("cpu", torch.float16 if half and _is_kernel(tensor) else tensor.dtype)
    stored = stored.clone(memory_format=torch.contiguous_format)
    if stored.is_floating_point() and not bool(torch.isfinite(stored).all()):
        raise WeightsError(f"{name} holds values that are not finite as {stored.dtype}", file=target.name)
    return stored


def _is_kernel(tensor: torch.Tensor) -> bool:
    return tensor.is_floating_point() and tensor.ndim >= 2


def read_weights(path: str | os.PathLike[str]) -> Weights:
    """Read a weights file.

    Raises
    ------
    WeightsError
        Where the file is missing, is not safetensors, or was not written by `save_weights`.
    """
    source = Path(path)
    try:
        content = source.read_bytes()
        tensors = load(content)
    except OSError as error:
        raise WeightsError(f"cannot be read: {error.strerror}", file=source.name) from None
    except SafetensorError as error:
        raise WeightsError(f"is not a safetensors file: {error}", file=source.name) from None
    # the format: the header's length as a little-endian 64-bit number, then the header as JSON
    length = int.from_bytes(content[:8], "little")
    text = json.loads(content[8 : 8 + length]).get("__metadata__", {}).get(KEY)
    if text is None:
        raise WeightsError(
            "does not say which stage and network it is for",
            file=source.name,
            remedy="lensproc train writes files that do",
        )
    state = {
        name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()
    }
    return Weights(state, json.loads(text), hashlib.sha256(content).hexdigest())
