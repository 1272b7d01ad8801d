"""Threads that compute different members at the same time, each with one thread of torch's own.

Operations on one member are short: shared out one by one, threads would wait for each other after every one.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor


class Workers:
    """As many threads as torch has now; torch has one from here to ``close``."""

    def __init__(self) -> None:
        count = self.count = self._threads = torch.get_num_threads()
        self._pool = ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,)) if count > 1 else None
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
