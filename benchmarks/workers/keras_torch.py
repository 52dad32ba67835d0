"""Keras on PyTorch."""

import os

os.environ["KERAS_BACKEND"] = "torch"

import torch
from keras_mlp import answer
from protocol import THREADS

if __name__ == "__main__":
    torch.set_num_threads(THREADS)
    answer({"torch": torch.__version__})
