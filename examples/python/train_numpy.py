"""Logistic regression in plain NumPy, trained by any number of workers.

    python examples/python/train_numpy.py
    syncline run --workers 2 --servers 2 examples/python/train_numpy.py
"""

import os

import numpy as np

import syncline

RANK, WORLD = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
BATCH = 50

draw = np.random.default_rng(1)
rows = draw.normal(size=(4000, 5)).astype(np.float32)
kinds = (rows @ np.array([1, -2, 0.5, 0, 3]) > 0).astype(np.float32)
rows, kinds = rows[RANK::WORLD], kinds[RANK::WORLD]
batches = [slice(start, start + BATCH) for start in range(0, len(rows) - BATCH + 1, BATCH)]

model = {"weights": np.zeros(5, dtype=np.float32), "bias": np.zeros(1, dtype=np.float32)}
worker = syncline.join(model, steps_per_epoch=len(batches), epochs=10, batch_size=BATCH, optimizer="adam", lr=0.05)

for batch in worker.batches(batches):
    x, y = rows[batch], kinds[batch]
    chance = 1 / (1 + np.exp(-(x @ model["weights"] + model["bias"])))
    loss = -np.mean(np.log(np.where(y == 1, chance, 1 - chance) + 1e-9))
    worker.step({"weights": x.T @ (chance - y) / len(y), "bias": np.mean(chance - y, keepdims=True)}, loss=loss)

if worker.rank == 0:
    right = np.mean((rows @ model["weights"] + model["bias"] > 0) == (kinds == 1))
    print(f"{right:.1%} are told right")
