"""scikit-learn's MLPClassifier, one epoch of ``fit`` at a time; it takes no running accuracy."""

from __future__ import annotations

import warnings

import sklearn
from protocol import Job, Task, serve
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

# One iteration at a time is what we ask for.
warnings.simplefilter("ignore", ConvergenceWarning)


def training(job: Job) -> Task:
    x, y = job.inputs(), job.array["y"]
    model = MLPClassifier(
        job.widths[1:-1],
        solver="sgd",
        momentum=0,
        learning_rate_init=job.lr,
        alpha=0,
        batch_size=job.batch,
        max_iter=1,
        warm_start=True,
        random_state=0,
    )
    model.fit(x, y)  # makes the arrays, which a warm start keeps

    def reset() -> None:
        for i, (weight, bias) in enumerate(job.start()):
            model.coefs_[i][...] = weight
            model.intercepts_[i][...] = bias

    def epoch() -> float:
        model.fit(x, y)
        return float(model.loss_)

    return Task(epoch, reset)


if __name__ == "__main__":
    serve({"training": training}, {"scikit-learn": sklearn.__version__})
