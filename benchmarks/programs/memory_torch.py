"""Load MNIST, train an epoch, print the peak memory: ``memory_torch.py FOLDER SEED``."""

import json
import sys
from pathlib import Path

import idx
import torch
from perceptron import perceptron
from resident import peak_bytes

torch.manual_seed(int(sys.argv[2]))
images, labels = idx.read(Path(sys.argv[1]), "train")
x, y = torch.tensor(images).to(torch.float32).div_(255), torch.tensor(labels).long()
net = perceptron()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
loss_of = torch.nn.CrossEntropyLoss()
total = torch.zeros(())
for index in torch.randperm(len(x)).split(128):
    loss = loss_of(net(x[index]), y[index])
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    total += loss.detach() * len(index)
print(json.dumps({"loss": float(total) / len(x), "peak_bytes": peak_bytes()}))
