"""Train a small convolutional network on MNIST to 99% of the test images: ``... FOLDER SEED``."""

import json
import sys
from pathlib import Path

import idx
import torch
from torch import nn

WANTED, EPOCHS, BATCH = 0.99, 5, 128

folder = Path(sys.argv[1])
torch.manual_seed(int(sys.argv[2]))


def load(part: str) -> tuple[torch.Tensor, torch.Tensor]:
    images, labels = idx.read(folder, part)
    x = torch.tensor(images).to(torch.float32).reshape(-1, 1, 28, 28)
    return x.contiguous(memory_format=torch.channels_last), torch.tensor(labels).long()


(x, y), (test_x, test_y) = load("train"), load("t10k")
mean, deviation = x.mean(), x.std()
for images in (x, test_x):
    images.sub_(mean).div_(deviation)
net = nn.Sequential(
    nn.Conv2d(1, 16, 5),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Conv2d(16, 32, 5),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Linear(512, 10),
)
for layer in (net[0], net[3]):  # the start that Pullback gives it
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    nn.init.zeros_(layer.bias)
nn.init.xavier_uniform_(net[7].weight)
nn.init.zeros_(net[7].bias)
net = net.to(memory_format=torch.channels_last)
optimizer = torch.optim.Adam(net.parameters(), fused=True)
schedule = torch.optim.lr_scheduler.OneCycleLR(
    optimizer,
    max_lr=0.01,
    total_steps=EPOCHS * -(-len(x) // BATCH),
    pct_start=0.2,
    cycle_momentum=False,
)
loss_of = nn.CrossEntropyLoss()
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
