"""Networks, and the blocks that they are made of."""

from pullback.models.blocks import depthwise_separable, residual_block, squeeze_excite
from pullback.models.images import lenet, resnet, small_cnn
from pullback.models.mlp import mlp
from pullback.models.places import center_detector, unet
from pullback.models.ratings import matrix_factors, two_towers
from pullback.models.recurrent import lstm_classifier
from pullback.models.tables import with_vectors
from pullback.models.texts import text_average, text_cnn
from pullback.models.transformer import char_transformer, transformer_block, translator

__all__ = [
    "center_detector",
    "char_transformer",
    "depthwise_separable",
    "lenet",
    "lstm_classifier",
    "matrix_factors",
    "mlp",
    "residual_block",
    "resnet",
    "small_cnn",
    "squeeze_excite",
    "text_average",
    "text_cnn",
    "transformer_block",
    "translator",
    "two_towers",
    "unet",
    "with_vectors",
]
