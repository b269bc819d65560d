"""A linear model by PyTorch's DistributedDataParallel, in the shape of its tutorial. `train_ddp_ported.py` is the same by Syncline.

    torchrun --nproc-per-node 2 examples/python/train_ddp.py
    diff examples/python/train_ddp.py examples/python/train_ddp_ported.py
"""

import os

import torch
from torch.nn.parallel import DistributedDataParallel as DDP
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data.distributed import DistributedSampler

RANK, WORLD = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
EPOCHS, BATCH = 10, 32


def main():
    torch.distributed.init_process_group("gloo")
    torch.manual_seed(1)
    x = torch.rand(2048, 20)
    rows = TensorDataset(x, x @ torch.linspace(-1, 1, 20).unsqueeze(1))
    sampler = DistributedSampler(rows, num_replicas=WORLD, rank=RANK)
    loader = DataLoader(rows, batch_size=BATCH, sampler=sampler)
    model = torch.nn.Linear(20, 1)
    model = DDP(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)

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
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
