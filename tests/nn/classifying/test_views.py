from __future__ import annotations

import pytest
import torch

from lensproc.nn.classifying.views import VIEWS, outputs_of_views, turned
from tests import tiny_classifier as tiny


def test_the_views_are_the_eight_symmetries_of_a_square():
    image = torch.arange(9.0).view(1, 1, 3, 3)
    found = {tuple(turned(image, view).flatten().tolist()) for view in range(VIEWS)}
    assert len(found) == 8
    assert torch.equal(turned(image, 0), image)
    assert torch.equal(turned(image, 1), torch.rot90(image, 1, (-2, -1)))
    again = {tuple(turned(torch.rot90(image, 1, (-2, -1)), view).flatten().tolist()) for view in range(VIEWS)}
    assert again == found


@pytest.mark.parametrize("shape", [(2, 1, 12, 12), (2, 1, 9, 14)])
def test_each_view_is_what_the_network_says_of_the_turned_image(shape):
    network = tiny.network()
    images = torch.rand(shape)
    logits, features = outputs_of_views(network, (images, None))
    assert logits.shape == (2, 8, 3)
    assert features.shape == (2, 8, 4)
    for view in range(VIEWS):
        assert torch.allclose(logits[:, view], network(turned(images, view)), atol=1e-5)
    assert float(logits.detach().std(dim=1).max()) > 1e-3, "the tiny network does tell left from right"
    one, _ = outputs_of_views(network, (images, None), 1)
    assert torch.allclose(one[:, 0], network(images), atol=1e-5)


def test_what_is_no_image_is_not_turned():
    seen = []

    class Watching(torch.nn.Module):
        def features(self, images, context):
            seen.append(context)
            return images.mean((2, 3))

        def head(self, features):
            return features

    context = torch.rand(2, 3)
    outputs_of_views(Watching(), (torch.rand(2, 1, 4, 4), context))
    assert len(seen) == 8
    assert all(each is context for each in seen)
