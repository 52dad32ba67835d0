"""What watching costs the textbook's network."""

from suite.workloads import Training, Watching

WORKLOAD = Watching(
    title="MNIST, 784-128-64-10, batches of 128, watched",
    note=(
        "Noise scale and total variance in every step, for which the norms of the gradients of "
        "all examples are needed; the ratio is that of our epoch with watching over ours without."
    ),
    plain=Training(
        title="the epoch",
        data="mnist",
        widths=(784, 128, 64, 10),
        batch=128,
        examples=51_200,  # whole batches, as those alone are watched
        peers=(),
    ),
    targets={"unwatched": 1.1},
    rounds=101,  # short turns, of which single ones say little
)
