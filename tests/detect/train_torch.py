"""A training with real PyTorch that keeps what it should let go: the loss of every step with its graph, the usual leak.
The Guard of hooks/python is not in it: what a training does that knows nothing of us. torch, BATCH."""
import sys

import torch
from torch import nn


def main():
    torch.set_num_threads(1)
    torch.manual_seed(1)
    batch = int(sys.argv[2])
    net = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 1, 1))
    kept = []
    for _ in range(10000):
        x = torch.rand(batch, 1, 256, 256)
        loss = (net(x) - x).abs().mean()
        kept.append(loss)


main()
