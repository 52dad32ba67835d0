"""What watching costs a small convolutional network."""

from suite.workloads import Images, Watching

WORKLOAD = Watching(
    title="Convolutions of 32 and 64 channels, pooling, 128, 10, batches of 64, watched",
    note="2,560 images of MNIST.",
    plain=Images(
        title="the epoch",
        network="two convolutions",
        batch=64,
        examples=2_560,
        peers=(),
    ),
    targets={"unwatched": 1.3},
)
