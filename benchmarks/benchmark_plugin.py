"""A plugin with one stage: a super-resolution network of four residual blocks with random weights.

SRResNet (Ledig et al. 2017, CVPR, their figure 4) without batch norm, 64 features, ×2 by sub-pixel convolution.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lensproc.contract.hookspecs import hookimpl
from lensproc.contract.manifest import Manifest

if TYPE_CHECKING:
    from lensproc.contract.stage import Batch, StageOutput

lensproc_api = 1


@hookimpl
def lensproc_register_stages(register: Callable[[Manifest], None]) -> None:
    """Hand over the stage."""
    register(
        Manifest(
            id="four-blocks",
            kind="enhance",
            factory="benchmark_plugin:FourBlocks",
            summary="SRResNet with 4 blocks and random weights, for benchmarks",
            scale=2,
            normalisation="noise",
            halo=24,
        )
    )


def build_network() -> Any:
    """Return the network with seeded random weights, in channels_last."""
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(
                nn.Conv2d(64, 64, 3, padding=1), nn.PReLU(), nn.Conv2d(64, 64, 3, padding=1)
            )

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + self.body(x)

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Sequential(nn.Conv2d(1, 64, 9, padding=4), nn.PReLU())
            self.body = nn.Sequential(*(Block() for _ in range(4)), nn.Conv2d(64, 64, 3, padding=1))
            self.tail = nn.Sequential(
                nn.Conv2d(64, 256, 3, padding=1),
                nn.PixelShuffle(2),
                nn.PReLU(),
                nn.Conv2d(64, 1, 3, padding=1),
            )

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            features = self.head(x)
            return self.tail(features + self.body(features)) + nn.functional.interpolate(x, scale_factor=2)

    torch.manual_seed(0)
    return Network().eval().to(memory_format=torch.channels_last)


def bare_network(stage: str) -> Callable[[Any], Any]:
    """Return the network of a stage as a function of images (N, 1, H, W), with nothing around it."""
    if stage == "four-blocks":
        network = build_network()
        return lambda images: network(images)
    import torch

    from lensproc.contract.registry import load_registry
    from lensproc.contract.weights import weights_path
    from lensproc.nn.lens_sr import LensSR
    from lensproc.nn.weights import read_weights

    manifest = load_registry().manifest(stage)
    weights = read_weights(weights_path(manifest, manifest.defaults))
    flagship = LensSR(**weights.metadata["network"])
    flagship.load_state_dict(weights.state)
    flagship = flagship.eval().to(memory_format=torch.channels_last)

    def enhance(images: Any) -> Any:
        width = torch.full((images.shape[0], 1, 1, 1), 3.0)
        return flagship(images, torch.ones_like(images), width)[0]

    return enhance


class FourBlocks:
    """The network as a stage."""

    def __init__(self, manifest: Manifest, options: Any) -> None:
        self.network: Any = None

    def load(self, device: Any, dtype: Any) -> None:
        """Build the network on `device`."""
        self.network = build_network().to(device)

    def apply(self, batch: Batch) -> StageOutput:
        """Run the network."""
        import torch

        from lensproc.contract.stage import StageOutput

        return StageOutput(images=self.network(batch.images.contiguous(memory_format=torch.channels_last)))

    def close(self) -> None:
        """Let go of the network."""
        self.network = None


def install_into(site: Path) -> None:
    """Make this file an installed plugin of the interpreter that has `site` on its path."""
    info = site / "lensproc_benchmark-1.0.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (site / "benchmark_plugin.py").write_text(Path(__file__).read_text())
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lensproc-benchmark\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[lensproc.plugins]\nbenchmark = benchmark_plugin\n")
