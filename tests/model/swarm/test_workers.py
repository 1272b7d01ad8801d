"""Threads that share out members."""

import threading

import pytest
import torch

from preflare.model.swarm.workers import Workers


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_every_member_is_computed_once_each_part_with_one_thread(two_threads) -> None:
    workers = Workers()
    seen, barrier = [], threading.Barrier(2, timeout=20)

    def compute(part: torch.Tensor) -> None:
        barrier.wait()  # both are there at the same time
        seen.append((part.tolist(), torch.get_num_threads(), threading.get_ident()))

    workers.share(compute, torch.arange(7))
    assert sorted(k for part, _, _ in seen for k in part) == list(range(7))
    assert [threads for _, threads, _ in seen] == [1, 1] and len({thread for _, _, thread in seen}) == 2
    assert torch.get_num_threads() == 1
    workers.close()
    assert torch.get_num_threads() == 2


def test_a_lone_member_stays_in_the_callers_thread(two_threads) -> None:
    workers, seen = Workers(), []
    workers.share(lambda part: seen.append(threading.get_ident()), torch.tensor([3]))
    assert seen == [threading.get_ident()]
    workers.close()


def test_what_goes_wrong_in_a_thread_is_raised(two_threads) -> None:
    workers = Workers()

    def fail(part: torch.Tensor) -> None:
        raise ValueError("member 5")

    with pytest.raises(ValueError, match="member 5"):
        workers.share(fail, torch.arange(7))
    workers.close()
