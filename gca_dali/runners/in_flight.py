"""Memory that queued work still reads: kept until the GPU has done that work.

Enters: whatever owns the memory, once the work is queued. Leaves: nothing; it lets go later. Used
by `cuda`, whose kernels read DALI's buffers by address: DALI takes a batch back as soon as nobody
in Python holds it, in the order of its own stream and not of the one that reads.
"""

from __future__ import annotations

from contextlib import suppress
from weakref import finalize

import torch

Held = list[tuple[torch.cuda.Event, tuple[object, ...]]]


class InFlight:
    """Owner of what the GPU has not finished with.

    How much that can be is bounded by whoever queues: `Sender` waits for the copy of its fourth
    last batch.
    """

    def __init__(self) -> None:
        self._held: Held = []
        # Also at the end of the process, while CUDA still answers.
        finalize(self, wait_for_all, self._held)

    def hold(self, *owners: object) -> None:
        """Keep owners of memory until what torch's current stream has been given so far is done.

        Parameters
        ----------
        *owners : object
            Objects whose memory lives as long as they do.
        """
        event = torch.cuda.Event(blocking=True)
        event.record()
        self._held[:] = [entry for entry in self._held if not entry[0].query()]
        self._held.append((event, owners))


def wait_for_all(held: Held) -> None:
    """Wait for the work behind each entry, then let all go."""
    # A GPU that has failed says so again at every call, and reads nothing any more.
    with suppress(RuntimeError):
        for event, _ in held:
            event.synchronize()
    held.clear()
