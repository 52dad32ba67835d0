"""The options of ``train``: one table for flags and for configuration files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import click


@dataclass(frozen=True)
class Option:
    """One key of a recipe: its type, and what it means."""

    key: str
    type: Any
    help: str
    many: bool = False

    @property
    def flag(self) -> str:
        """The key as a flag."""
        return "--" + self.key.replace("_", "-")


RECIPE_OPTIONS = (
    Option("model", str, "The network: mlp:128,64, lenet, small_cnn, resnet:20,16, a .toml file."),
    Option("activation", str, "Between the layers of an mlp: relu, tanh, sigmoid, gelu, ..."),
    Option("dropout", float, "Share of each hidden layer's outputs dropped in training."),
    Option("init", str, "How weights start: glorot_uniform, he_normal, textbook, ..."),
    Option("loss", str, "The loss: cross_entropy, squared_error, huber, ..."),
    Option("label_smoothing", float, "Share of each target spread over all classes."),
    Option("optimizer", str, "The update rule: sgd, momentum, adam, adamw, lion, kfac, ..."),
    Option("lr", float, "Learning rate; the highest one, under a schedule."),
    Option("schedule", str, "Of the learning rate: constant, step, cosine, one_cycle, ..."),
    Option("clip_value", float, "Largest size of a gradient's entry."),
    Option("clip_norm", float, "Largest norm of each parameter's gradient."),
    Option("clip_global_norm", float, "Largest norm of the whole gradient."),
    Option("l1", float, "Strength of the L1 penalty on weights."),
    Option("l2", float, "Strength of the L2 penalty on weights."),
    Option("weight_decay", float, "Decoupled weight decay."),
    Option("ema", float, "Decay of the moving average of the weights (0: none)."),
    Option("epochs", int, "How often to go through the training data, at most."),
    Option("batch_size", int, "Examples a step."),
    Option("validation", float, "Share of the training data held out and measured each epoch."),
    Option("holdout", str, "Which examples that is: random, stratified or last."),
    Option("seed", int, "Decides the split, the start, the order and all noise."),
    Option("dtype", str, "float32 or float64."),
    Option("normalize", str, "Of the input: standard, scale or none."),
    Option("shift", int, "Move each training image by up to so many pixels (0: not)."),
    Option("augment", str, "Vary them: any of shift:2,rotate:10,scale:0.1,flip,erase:0.25."),
    Option("mixup", float, "Blend examples in pairs, with shares from Beta(a, a) (0: not)."),
    Option("accumulate", int, "Cut each batch into so many parts, one after another."),
    Option("metrics", str, "A metric to measure beside the loss; may be repeated.", many=True),
    Option("until_loss", float, "Stop once an epoch's training loss is at or below this."),
    Option("patience", int, "Stop after so many epochs without a better validation loss."),
    Option("steps_per_epoch", int, "End an epoch after so many steps."),
    Option("max_steps", int, "Stop after so many steps."),
    Option("audit", int, "Check the gradient every so many steps, and stop if it is wrong."),
    Option("watch", str, "A quantity to watch: noise_scale, ...; may be repeated.", many=True),
    Option("every", int, "Look at what is watched every so many steps."),
    Option("device", str, "Where to compute: cpu, torch, cuda, cuda:1, mps or auto."),
    Option("max_seconds", float, "Stop after so many seconds."),
)


def with_options(options: Sequence[Option]) -> Callable[[Any], Any]:
    """Return a decorator that gives a command a flag for each option."""

    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = _flag(option)(command)
        return command

    return decorate


def _flag(option: Option) -> Any:
    if option.many:
        flag = option.flag.removesuffix("s")
        return click.option(flag, option.key, type=option.type, multiple=True, help=option.help)
    return click.option(option.flag, option.key, type=option.type, help=option.help)
