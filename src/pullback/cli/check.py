"""``pullback check``: the gradient receipt of a user's own model and data."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np

from pullback.check.report import GradientError
from pullback.cli.subject import subject_of
from pullback.core.context import Context
from pullback.core.errors import ConfigError
from pullback.train.receipt import gradient_receipt


def check_command(path: str, examples: int, data_dir: str | None, as_json: bool) -> int:
    """Print a row for every tensor; return the exit code."""
    subject = subject_of(path, data_dir)
    count = len(subject.train)
    if not 1 <= examples <= count:
        raise ConfigError(f"--examples {examples}: expected a number from 1 to {count}")
    # spread over the data, so that a file in order of the classes gives all of them
    x, target, weight = subject.examples(np.arange(examples) * (count // examples))
    learner = subject.loop.learner
    ctx = Context(True, subject.settings.seed, learner.step, state=subject.state)
    report = gradient_receipt(
        subject.settings.net, subject.settings.loss, subject.theta, x, target,
        ctx=ctx, weight=weight, seed=subject.settings.seed,
    )  # fmt: skip
    if as_json:
        for finding in report:
            print(json.dumps({**asdict(finding), "passed": finding.passed}))
    else:
        print(report)
    return 0 if report.passed else GradientError.exit_code
