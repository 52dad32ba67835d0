"""Train on MNIST until the test accuracy is 98%, then end: ``reach_torch.py FOLDER SEED``."""

import json
import sys
from pathlib import Path

import idx
import torch
from perceptron import perceptron

WANTED, EPOCHS, BATCH = 0.98, 7, 256

folder = Path(sys.argv[1])
torch.manual_seed(int(sys.argv[2]))


def load(part: str) -> tuple[torch.Tensor, torch.Tensor]:
    images, labels = idx.read(folder, part)
    return torch.tensor(images).to(torch.float32), torch.tensor(labels).long()


(x, y), (test_x, test_y) = load("train"), load("t10k")
mean, deviation = x.mean(), x.std()
for images in (x, test_x):
    images.sub_(mean).div_(deviation)
net = perceptron()
optimizer = torch.optim.Adam(net.parameters(), fused=True)
schedule = torch.optim.lr_scheduler.OneCycleLR(
    optimizer,
    max_lr=0.006,
    total_steps=EPOCHS * -(-len(x) // BATCH),
    pct_start=0.2,
    cycle_momentum=False,
)
loss_of = torch.nn.CrossEntropyLoss()
for epoch in range(EPOCHS):
    for index in torch.randperm(len(x)).split(BATCH):
        loss = loss_of(net(x[index]), y[index])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
    with torch.inference_mode():
        accuracy = float((net(test_x).argmax(1) == test_y).float().mean())
    if accuracy >= WANTED:
        print(json.dumps({"test_accuracy": accuracy, "epochs": epoch + 1}))
        sys.exit()
sys.exit("not reached")
