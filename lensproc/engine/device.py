"""Where torch computes, with how many threads, and in what precision."""

from __future__ import annotations

import ctypes
import os
import sys
from typing import TYPE_CHECKING

from lensproc.errors import UsageError

if TYPE_CHECKING:
    import torch

DEVICES = ("auto", "cpu", "cuda")


def usable_cores() -> int:
    """Count the cores that this process may use, which on a cluster is what the scheduler gave."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def resolve_device(name: str) -> torch.device:
    """Torch device for ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises
    ------
    UsageError
        Where CUDA is asked for and torch sees no such device.
    """
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UsageError(f"--device {name!r} is not auto, cpu, cuda or cuda:N") from None
    if device.type not in ("cpu", "cuda"):
        raise UsageError(f"--device {name!r} is not auto, cpu, cuda or cuda:N")
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if count <= (device.index or 0):
            raise UsageError(f"--device {name}: torch sees {count} CUDA devices", remedy="use --device cpu")
    return device


def device_name(device: torch.device) -> str:
    """``cpu``, or the name of the GPU, for the provenance."""
    import torch

    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def prepare_torch(threads: int) -> None:
    """Set up torch in this process: `threads` threads, full float32 products, memory kept between batches.

    Notes
    -----
    TF32 keeps 10 bits of mantissa and would move pixels by 1e-3; it is switched off. Under glibc, large
    activations are handed back to the system after every layer and faulted in again; keeping them doubled the
    speed of super-resolution networks (``docs/performance.md``).
    """
    import torch

    torch.set_num_threads(max(1, threads))
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    _keep_memory()


def _keep_memory() -> None:
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # another C library than glibc has its own strategy
        return
    m_trim_threshold, m_mmap_max = -1, -4
    mallopt(m_mmap_max, 0)
    mallopt(m_trim_threshold, 1 << 30)
