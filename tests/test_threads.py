"""Threads are given back, whatever happens."""

import os

import pytest
import torch

from preflare.threads import cores, torch_threads


def test_threads_are_given_back() -> None:
    before = torch.get_num_threads()
    with pytest.raises(KeyError), torch_threads(before + 2):
        assert torch.get_num_threads() == before + 2
        raise KeyError
    assert torch.get_num_threads() == before

    @torch_threads(before + 1)
    def seen() -> int:
        return torch.get_num_threads()

    assert [seen(), seen(), torch.get_num_threads()] == [before + 1, before + 1, before]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system does not bind processes to cores")
def test_cores_are_those_this_process_may_use() -> None:
    allowed = os.sched_getaffinity(0)
    assert cores() == len(allowed)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        assert cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)
