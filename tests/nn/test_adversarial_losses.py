"""Labels are the right way round, and the adversarial gradient reaches the generator with the right sign."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from lensproc.errors import UsageError
from lensproc.nn.adversarial_losses import (
    KINDS,
    accuracy,
    discriminator_loss,
    generator_loss,
    r1_penalty,
)

REAL, FAKE = torch.tensor([[2.0], [3.0]]), torch.tensor([[-1.0], [-2.0]])


@pytest.mark.parametrize("kind", KINDS)
def test_labels_are_the_right_way_round(kind):
    """With swapped labels the discriminator would lose where it is right."""
    right, wrong = discriminator_loss(kind, REAL, FAKE), discriminator_loss(kind, FAKE, REAL)
    assert right < math.log(2.0) < wrong
    assert generator_loss(kind, REAL, FAKE) > math.log(2.0) > generator_loss(kind, FAKE, REAL)
    assert accuracy(kind, REAL, FAKE) == 1.0
    assert accuracy(kind, FAKE, REAL) == 0.0


def test_cross_entropy_has_its_value():
    entropy = [math.log1p(math.exp(-x)) for x in (2.0, 3.0)] + [math.log1p(math.exp(x)) for x in (-1.0, -2.0)]
    assert float(discriminator_loss("bce", REAL, FAKE)) == pytest.approx(sum(entropy) / 4.0)
    assert float(generator_loss("bce", None, FAKE)) == pytest.approx(
        (math.log1p(math.exp(1.0)) + math.log1p(math.exp(2.0))) / 2.0
    )


def test_relativistic_losses_depend_on_differences_alone():
    for loss in (discriminator_loss, generator_loss):
        shifted = loss("relativistic", REAL + 7.0, FAKE + 7.0)
        torch.testing.assert_close(shifted, loss("relativistic", REAL, FAKE))
    entropy = [math.log1p(math.exp(-x)) for x in (3.5, 4.5)] + [math.log1p(math.exp(x)) for x in (-3.5, -4.5)]
    assert float(discriminator_loss("relativistic", REAL, FAKE)) == pytest.approx(sum(entropy) / 4.0)


@pytest.mark.parametrize("kind", KINDS)
def test_the_adversarial_gradient_is_there_and_makes_generated_images_more_real(kind):
    """Cross entropy over a single column of softmax is identically zero and gives no gradient at all."""
    torch.manual_seed(0)
    discriminator = nn.Sequential(nn.Flatten(), nn.Linear(16, 1))
    generator = nn.Conv2d(1, 1, 3, padding=1)
    images, real = torch.rand(4, 1, 4, 4), torch.rand(4, 1, 4, 4)

    def lost():
        return generator_loss(kind, discriminator(real), discriminator(generator(images)))

    before = discriminator(generator(images)).mean()
    loss = lost()
    loss.backward()
    gradient = generator.weight.grad
    assert float(gradient.abs().max()) > 1e-3
    with torch.no_grad():
        generator.weight -= 0.01 * gradient
        assert discriminator(generator(images)).mean() > before
        assert lost() < loss


def test_the_penalty_is_half_the_squared_gradient():
    images = torch.rand(3, 1, 2, 2, requires_grad=True)
    weights = torch.tensor([1.0, -2.0, 3.0, 0.5], requires_grad=True)
    scores = (images.flatten(1) * weights).sum(1, keepdim=True)
    penalty = r1_penalty(scores, images)
    assert float(penalty.detach()) == pytest.approx(0.5 * (1.0 + 4.0 + 9.0 + 0.25))
    penalty.backward()
    torch.testing.assert_close(weights.grad, weights.detach())


def test_another_kind_is_refused():
    with pytest.raises(UsageError, match="kind 'hinge' is not bce or relativistic"):
        discriminator_loss("hinge", REAL, FAKE)
    with pytest.raises(ValueError, match="needs the scores of real images"):
        generator_loss("relativistic", None, FAKE)
