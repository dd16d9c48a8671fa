"""What tests run in processes of their own: a model on the engine behind a data loader, and trained by two ranks."""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch import nn

from unstride.frameworks import torch as ours


def network() -> Any:
    """A small encoder and decoder with the same weights everywhere."""
    torch.manual_seed(3)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, stride=2, padding=1),
        nn.ReLU(),
        ours.ConvTranspose2d(4, 1, 3, stride=2, padding="same"),
    )


class Pictures(torch.utils.data.Dataset):  # type: ignore[misc]  # torch is not typed here
    """Pictures that each worker passes through the model itself."""

    def __init__(self) -> None:
        self.model = network().eval()
        ours.accelerate(self.model)

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> Any:
        torch.manual_seed(index)
        with torch.no_grad():
            return self.model(torch.randn(1, 1, 8, 8))[0]


def load(method: str) -> None:
    """Both ways of starting workers give what this process computes."""
    data = Pictures()
    wanted = torch.stack([data[i] for i in range(len(data))])
    loader = torch.utils.data.DataLoader(data, batch_size=2, num_workers=2, multiprocessing_context=method, timeout=90)
    found = torch.cat(list(loader))
    assert torch.equal(found, wanted), (found - wanted).abs().max()
    sys.stdout.write(f"same {len(found)}\n")


def train(rank: int, port: str, queue: Any) -> None:
    """One rank of two: a few steps of DistributedDataParallel."""
    torch.set_num_threads(1)
    address = f"tcp://127.0.0.1:{port}"
    torch.distributed.init_process_group("gloo", init_method=address, rank=rank, world_size=2)
    model = network()
    ours.accelerate(model)
    parallel = nn.parallel.DistributedDataParallel(model)
    optimiser = torch.optim.SGD(parallel.parameters(), lr=0.1)
    for step in range(3):
        torch.manual_seed(10 * step + rank)
        optimiser.zero_grad()
        parallel(torch.randn(2, 1, 8, 8)).square().mean().backward()
        optimiser.step()
    queue.put((rank, [each.detach().numpy().tolist() for each in model.parameters()]))
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


def distribute(port: str) -> None:
    """Two ranks end with the same weights, which are those of one process on both halves."""
    context = torch.multiprocessing.get_context("spawn")
    queue = context.SimpleQueue()
    workers = [context.Process(target=train, args=(rank, port, queue)) for rank in range(2)]
    for worker in workers:
        worker.start()
    found = dict(queue.get() for _ in workers)
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    alone = network()
    optimiser = torch.optim.SGD(alone.parameters(), lr=0.1)
    for step in range(3):
        optimiser.zero_grad()
        for rank in range(2):
            torch.manual_seed(10 * step + rank)
            (alone(torch.randn(2, 1, 8, 8)).square().mean() / 2).backward()
        optimiser.step()
    for one, other, wanted in zip(found[0], found[1], alone.parameters(), strict=True):
        assert one == other
        torch.testing.assert_close(torch.tensor(one), wanted.detach(), rtol=1e-4, atol=1e-6)
    sys.stdout.write("same\n")


if __name__ == "__main__":
    {"load": load, "distribute": distribute}[sys.argv[1]](sys.argv[2])
