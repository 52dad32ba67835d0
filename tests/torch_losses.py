"""Every loss by PyTorch's own functions: what ours are compared with."""

from __future__ import annotations

from collections.abc import Callable

import torch

F = torch.nn.functional


def rows(y, t):
    """Targets in the shape of the outputs; class numbers as rows with a one."""
    if t.ndim == 1 and y.ndim == 2 and y.shape[1] > 1:
        t = F.one_hot(t.long(), y.shape[1])
    return t.reshape(y.shape).to(y)


def cross_entropy(loss, y, t):
    if y.ndim > 2 and t.ndim == y.ndim - 1:  # theirs calls what is to be ignored -100
        count = (t >= 0).flatten(1).sum(dim=1).clamp(min=1)
        flat = torch.where(t >= 0, t.long(), -100).reshape(-1)
        return per_row(loss, y.reshape(-1, y.shape[-1]), flat).reshape(len(t), -1).sum(1) / count
    if y.ndim > 2:  # theirs has the classes on the second axis
        rows = t.reshape(-1, y.shape[-1])
        return per_example(
            cross_entropy(loss, y.reshape(-1, y.shape[-1]), rows).reshape(t.shape[: y.ndim - 1])
        )
    return per_row(loss, y, t)


def per_row(loss, y, t):
    weight = None if loss.class_weights is None else torch.tensor(loss.class_weights).to(y)
    t = t.to(y) if t.ndim == 2 else t.long()
    smoothing = loss.label_smoothing
    return F.cross_entropy(y, t, weight, reduction="none", label_smoothing=smoothing)


def binary(loss, y, t):
    values = F.binary_cross_entropy_with_logits(y, rows(y, t), reduction="none")
    return per_example(values)


def divergence(loss, y, t):
    return F.kl_div(F.log_softmax(y, dim=1), rows(y, t), reduction="none").sum(dim=1)


def per_example(values):
    return values.reshape(len(values), -1).mean(dim=1)


def huber(loss, y, t):
    return per_example(F.huber_loss(y, rows(y, t), reduction="none", delta=loss.delta))


def half_squared(loss, y, t):
    values = F.mse_loss(y, rows(y, t), reduction="none")
    return values.reshape(len(y), -1).sum(dim=1) / 2


def dice(loss, y, t):
    q = t.to(y) if t.ndim == y.ndim else F.one_hot(t.long(), y.shape[-1]).to(y)
    p, q = (a.flatten(1, -2) for a in (F.softmax(y, dim=-1), q))
    top, bottom = 2 * (p * q).sum(1), (p**2).sum(1) + (q**2).sum(1)
    return 1 - ((top + loss.smooth) / (bottom + loss.smooth)).mean(dim=1)


def focal(loss, y, t):
    """As in torchvision, divided by the number of ones."""
    t = t.to(y)
    p, cost = torch.sigmoid(y), F.binary_cross_entropy_with_logits(y, t, reduction="none")
    right = p * t + (1 - p) * (1 - t)
    alpha = loss.alpha * t + (1 - loss.alpha) * (1 - t)
    values = alpha * cost * (1 - right) ** loss.gamma
    return values.flatten(1).sum(dim=1) / t.flatten(1).sum(dim=1).clamp(min=1)


def giou(loss, y, t):
    """As in torchvision, of corners."""
    y, t = (a.reshape(len(y), -1, 4) for a in (y, t.to(y)))
    size = F.softplus(y[..., 2:], threshold=1000)
    low, high = y[..., :2] - size / 2, y[..., :2] + size / 2
    true_low, true_high = t[..., :2] - t[..., 2:] / 2, t[..., :2] + t[..., 2:] / 2
    inner = (torch.minimum(high, true_high) - torch.maximum(low, true_low)).clamp(min=0).prod(-1)
    union = size.prod(-1) + t[..., 2:].prod(-1) - inner
    hull = (torch.maximum(high, true_high) - torch.minimum(low, true_low)).prod(-1)
    there = t[..., 2:].prod(-1) > 0
    values = torch.where(there, 1 - (inner / union - (hull - union) / hull), 0.0)
    return values.sum(dim=1) / there.sum(dim=1).clamp(min=1)


def contrastive(loss, y, t):
    """Group by group and member by member, as the paper's equation."""
    values = []
    for group, labels in zip(y, t, strict=True):
        costs = []
        for i in range(len(group)):
            others = [j for j in range(len(group)) if j != i]
            shares = F.log_softmax(group[others] @ group[i] / loss.temperature, dim=0)
            same = labels[others] == labels[i]
            if same.any():
                costs.append(-shares[same].mean())
        values.append(torch.stack(costs).mean() if costs else 0 * group.sum())
    return torch.stack(values)


def ctc(loss, y, t):
    """Path by path of what each frame may be: theirs has no second derivative."""
    values = []
    for logits, (frames, *labels) in zip(F.log_softmax(y, dim=-1), t.tolist(), strict=True):
        labels = [label for label in labels if label >= 0]
        spelled = [0, *(k for label in labels for k in (label, 0))]
        paths = {s: logits[0, spelled[s]] for s in range(min(2, len(spelled)))}
        for row in logits[1:frames]:
            coming: dict[int, list] = {}
            for s, value in paths.items():
                for r in range(s, min(s + 3, len(spelled))):
                    if r < s + 2 or (spelled[r] != 0 and spelled[r] != spelled[s]):
                        coming.setdefault(r, []).append(value)
            paths = {s: torch.logsumexp(torch.stack(v), 0) + row[spelled[s]]
                     for s, v in coming.items()}  # fmt: skip
        ends = [v for s, v in paths.items() if s >= len(spelled) - 2]
        values.append(-torch.logsumexp(torch.stack(ends), 0))
    return torch.stack(values)


def weighted(loss, y, t):
    parts = [(y, t)] * len(loss.losses)
    if loss.widths:
        parts = list(zip(y.split(loss.widths, -1), t.split(loss.widths, -1), strict=True))
    every = zip(loss.losses, loss.weights, parts, strict=True)
    return sum(w * THEIRS[type(each).__name__](each, *part) for each, w, part in every)


THEIRS: dict[str, Callable] = {
    "CrossEntropy": cross_entropy,
    "BinaryCrossEntropy": binary,
    "KLDivergence": divergence,
    "HalfSquaredError": half_squared,
    "SquaredError": lambda loss, y, t: per_example(F.mse_loss(y, rows(y, t), reduction="none")),
    "AbsoluteError": lambda loss, y, t: per_example(F.l1_loss(y, rows(y, t), reduction="none")),
    "Huber": huber,
    "Dice": dice,
    "Focal": focal,
    "GIoU": giou,
    "Contrastive": contrastive,
    "CTC": ctc,
    "WeightedSum": weighted,
}


def boxes(y):
    return torch.cat([y[..., :2], F.softplus(y[..., 2:], threshold=1000)], dim=-1)


LINKS: dict[str, Callable] = {
    "CrossEntropy": lambda y: F.softmax(y, dim=-1),
    "CTC": lambda y: F.softmax(y, dim=-1),
    "Dice": lambda y: F.softmax(y, dim=-1),
    "Focal": torch.sigmoid,
    "GIoU": boxes,
    "KLDivergence": lambda y: F.softmax(y, dim=1),
    "BinaryCrossEntropy": torch.sigmoid,
}
