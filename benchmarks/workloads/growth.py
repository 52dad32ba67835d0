"""How the time of an epoch grows."""

from suite.workloads import Growth, Training

FIXED = 6_400


def epoch(examples: int, hidden: int) -> Training:
    return Training(
        title=f"{examples} examples, two hidden layers of {hidden}",
        data="mnist",
        widths=(784, hidden, hidden, 10),
        batch=128,
        examples=examples,
        peers=(),
    )


WORKLOAD = Growth(
    title="Seconds of an epoch by examples and by parameters",
    by_examples=tuple(epoch(count, 128) for count in (3_200, 6_400, 12_800, 25_600, 51_200)),
    by_parameters=tuple(epoch(FIXED, hidden) for hidden in (128, 256, 512, 1024, 2048)),
)
