"""What `train_ddp.py` does under PyTorch's DistributedDataParallel, with Syncline's servers in its place.

    python examples/python/train_ddp_ported.py                   # alone
    syncline run --workers 2 examples/python/train_ddp_ported.py
    syncline run --workers 2 --sync ssp:2 examples/python/train_ddp_ported.py
"""

import os

import torch
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data.distributed import DistributedSampler

import syncline

RANK, WORLD = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
EPOCHS, BATCH = 10, 32


def main():
    torch.manual_seed(1)
    x = torch.rand(2048, 20)
    rows = TensorDataset(x, x @ torch.linspace(-1, 1, 20).unsqueeze(1))
    sampler = DistributedSampler(rows, num_replicas=WORLD, rank=RANK)
    loader = DataLoader(rows, batch_size=BATCH, sampler=sampler)
    model = torch.nn.Linear(20, 1)
    optimizer = syncline.join(model, steps_per_epoch=len(loader), epochs=EPOCHS, batch_size=BATCH, optimizer="sgd", lr=0.05)

    for epoch in range(EPOCHS):
        sampler.set_epoch(epoch)
        for source, targets in loader:
            optimizer.zero_grad()
            loss = torch.nn.functional.mse_loss(model(source), targets)
            loss.backward()
            optimizer.step()

    if RANK == 0:
        error = torch.nn.functional.mse_loss(model(x), rows.tensors[1]).item()
        print(f"mean squared error {error:.6f}")


if __name__ == "__main__":
    main()
