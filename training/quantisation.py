"""Scope: symmetric block-wise weight quantisation, for training with rounded
weights and for measuring what rounding does to the answers.

All weights stay floating-point here; nothing is packed into integers.
"""

import torch
from torch import nn

ROW = -1  # one block per row


def rounded_weights(weight: torch.Tensor, bits: int, block_size: int = ROW) -> torch.Tensor:
    """The weights after quantisation and dequantisation, block by block along each row.

    4 bits: the scale is the value of largest magnitude, with its sign, over -8,
    and integers run from -8 to 7. 8 bits: the same with -128 and 127.
    """
    lowest = -(2 ** (bits - 1))
    blocks = weight.reshape(weight.shape[0], -1) if block_size == ROW else weight.reshape(-1, block_size)
    low, high = blocks.aminmax(dim=1, keepdim=True)
    scale = torch.where(high.abs() > low.abs(), high, low) / lowest
    scale = torch.where(scale == 0, torch.ones_like(scale), scale)
    return (blocks / scale).round_().clamp_(lowest, -lowest - 1).mul_(scale).view_as(weight)


class QuantisationSettings:
    """What the linear layers of one model do at the moment."""

    def __init__(self):
        self.block_size: int | None = None  # None: exact weights
        self.activation_noise = False


class QuantisationAwareLinear(nn.Linear):
    """A linear layer that can compute with int4-rounded weights and train the exact ones.

    The gradient passes the rounding unchanged (straight-through estimator).
    """

    settings: QuantisationSettings

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight = self.weight
        if self.settings.block_size is not None:
            with torch.no_grad():
                change = rounded_weights(weight, 4, self.settings.block_size) - weight
            weight = weight + change
        if self.settings.activation_noise:
            with torch.no_grad():
                step = x.abs().amax(dim=-1, keepdim=True) / 127
                noise = (torch.rand_like(x) - 0.5) * step
            x = x + noise
        return nn.functional.linear(x, weight)


def make_quantisation_aware(model: nn.Module) -> QuantisationSettings:
    """Turns every linear layer of `model`, `lm_head` included, into a quantisation-aware one."""
    settings = QuantisationSettings()
    for module in model.modules():
        if type(module) is nn.Linear:
            module.__class__ = QuantisationAwareLinear
            module.settings = settings
    return settings


@torch.no_grad()
def round_linear_weights(model: nn.Module, bits: int, block_size: int = ROW) -> None:
    """Replaces the weights of every linear layer by their rounded values, in place."""
    for module in model.modules():
        if isinstance(module, nn.Linear):
            module.weight.copy_(rounded_weights(module.weight, bits, block_size))
