"""Whom we compare ourselves with: one row each, and what its environment needs."""

from __future__ import annotations

from dataclasses import dataclass

# The one place that pins PyTorch: a bare `torch` may bring gigabytes for accelerators.
TORCH = "torch==2.13.0"

ENVIRONMENTS: dict[str, tuple[str, ...]] = {
    "torch": (TORCH, "numpy"),
    # Apart from "torch", whose rows are measured even where these cannot be installed.
    "torch-examples": (TORCH, "numpy", "opacus==1.6.0", "backpack-for-pytorch==1.7.1"),
    "jax": ("jax", "jaxlib"),
    "keras-tensorflow": ("keras", "tensorflow-cpu", "matplotlib"),
    "keras-torch": ("keras", TORCH),
    "scikit-learn": ("scikit-learn",),
    "thinc": ("thinc",),
}

SAME_ORDER = 1e-3
OWN_ORDER = 0.03


@dataclass(frozen=True)
class Peer:
    """One way to do the same work.

    ``environment`` is a key of ``ENVIRONMENTS``, or None for the Python that runs the suite.
    Training losses must agree with ours to ``tolerance``, relatively: ``SAME_ORDER`` leaves room
    for rounding in float32 only; ``OWN_ORDER`` is for those who shuffle by themselves from the
    same start, whose mean loss over an epoch differs a little from order to order.
    """

    title: str
    environment: str | None
    worker: str = ""
    tolerance: float = SAME_ORDER


OURS = "pullback"

PEERS: dict[str, Peer] = {
    OURS: Peer("Pullback", None, "ours.py"),
    "unwatched": Peer("Pullback, not watching", None, "unwatched.py"),
    "torch-eager": Peer("PyTorch, eager", "torch", "torch_eager.py"),
    "torch-fused": Peer("PyTorch, eager, `fused=True`", "torch", "torch_fused.py"),
    "torch-compile": Peer("PyTorch, `torch.compile`", "torch", "torch_compile.py"),
    "torch-func": Peer("PyTorch, `torch.func`: `vmap(grad)`", "torch", "torch_func.py"),
    "opacus": Peer("Opacus, `GradSampleModule`", "torch-examples", "torch_opacus.py"),
    "backpack": Peer("BackPACK, `BatchGrad`", "torch-examples", "torch_backpack.py"),
    "jax-jit": Peer("JAX, jitted step", "jax", "jax_jit.py"),
    "jax-scan": Peer("JAX, `lax.scan` over the epoch", "jax", "jax_scan.py"),
    "jax-vmap": Peer("JAX, jitted `vmap(grad)`", "jax", "jax_vmap.py"),
    "keras-tensorflow": Peer(
        "Keras on TensorFlow, `fit`", "keras-tensorflow", "keras_tensorflow.py", OWN_ORDER
    ),
    "keras-torch": Peer("Keras on PyTorch, `fit`", "keras-torch", "keras_torch.py", OWN_ORDER),
    "sklearn": Peer("scikit-learn, `MLPClassifier`", "scikit-learn", "sklearn_mlp.py", OWN_ORDER),
    "thinc": Peer("Thinc", "thinc", "thinc_mlp.py"),
    "numpy": Peer("NumPy, without which we are nothing", None),
}
