"""Networks, and the blocks that they are made of."""

from pullback.models.blocks import depthwise_separable, residual_block, squeeze_excite
from pullback.models.images import lenet, resnet, small_cnn
from pullback.models.mlp import mlp

__all__ = [
    "depthwise_separable",
    "lenet",
    "mlp",
    "residual_block",
    "resnet",
    "small_cnn",
    "squeeze_excite",
]
