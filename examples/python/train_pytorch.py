"""A small network of PyTorch, trained by any number of workers.

    python examples/python/train_pytorch.py                                      # alone
    syncline run --workers 2 examples/python/train_pytorch.py                    # two workers, each with its part of the rows
    syncline run --workers 2 --sync ssp:2 --trace run.parquet examples/python/train_pytorch.py
    syncline trace report run.parquet
"""

import os

import torch

import syncline

RANK, WORLD = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
EPOCHS, BATCH = 5, 64

# Two moons, of which each worker takes every WORLD-th row.
torch.manual_seed(1)
angle = torch.rand(8192) * torch.pi
upper = torch.randint(0, 2, (8192,))
points = torch.stack([torch.cos(angle) + upper, torch.where(upper == 1, 0.5 - torch.sin(angle), torch.sin(angle))], dim=1)
points += 0.1 * torch.randn_like(points)
mine = torch.utils.data.TensorDataset(points[RANK::WORLD], upper[RANK::WORLD])
loader = torch.utils.data.DataLoader(mine, batch_size=BATCH, shuffle=True, drop_last=True)

model = torch.nn.Sequential(torch.nn.Linear(2, 32), torch.nn.ReLU(), torch.nn.Linear(32, 2))
worker = syncline.join(model, steps_per_epoch=len(loader), epochs=EPOCHS, batch_size=BATCH, sync="bsp", optimizer="adam", lr=0.01)

for rows, kinds in worker.batches(loader):
    loss = torch.nn.functional.cross_entropy(model(rows), kinds)
    loss.backward()
    worker.step(loss=loss)

if worker.rank == 0:
    right = (model(points).argmax(dim=1) == upper).float().mean().item()
    print(f"{right:.1%} of all points are told right")
