"""Keras on TensorFlow, which takes its threads from the environment."""

import os

os.environ["KERAS_BACKEND"] = "tensorflow"

import tensorflow as tf
from keras_mlp import answer

if __name__ == "__main__":
    answer({"tensorflow": tf.__version__})
