"""Threads that compute different members at the same time, each with one thread of torch's own.

The operations of a swarm are short: shared out one by one, threads would wait for each other after every one.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor


class Workers:
    """As many threads as torch has now; torch has one from here to ``close``."""

    def __init__(self, device: torch.device) -> None:
        # Elsewhere than on a CPU, one thread keeps the device busy.
        self._threads = torch.get_num_threads()
        count = self._threads if device.type == "cpu" else 1
        self._pool = ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,)) if count > 1 else None
        self.count = count
        if self._pool:
            torch.set_num_threads(1)

    def share(self, function: Callable[[Tensor], None], members: Tensor) -> None:
        """Call function on parts of members (m,), which together are all of them."""
        if self._pool is None or len(members) < 2:
            function(members)
            return
        for done in [self._pool.submit(function, part) for part in members.chunk(self.count)]:
            done.result()

    def close(self) -> None:
        """End the threads and give torch its own back."""
        if self._pool:
            self._pool.shutdown()
            torch.set_num_threads(self._threads)
