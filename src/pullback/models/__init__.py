"""Networks, and the blocks that they are made of."""

from pullback.models.blocks import depthwise_separable, residual_block, squeeze_excite
from pullback.models.images import lenet, resnet, small_cnn
from pullback.models.mlp import mlp
from pullback.models.places import center_detector, unet

__all__ = [
    "center_detector",
    "depthwise_separable",
    "lenet",
    "mlp",
    "residual_block",
    "resnet",
    "small_cnn",
    "squeeze_excite",
    "unet",
]
