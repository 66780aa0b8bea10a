"""One sample of all guests, whatever one of them does.

The bulk call walks the guests one after the other and hangs at the first whose
emulator does not answer. It then holds that guest's lock in libvirt, so the same call
on another connection passes the guest by, with what is known without its emulator,
and brings all others. That second call is made within the same tick; where the first
one comes back within the deadline after all, it counts.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from functools import partial

from trustd.errors import TrustdError
from trustd.hypervisor.holds import Holds
from trustd.hypervisor.lane import Lanes
from trustd.hypervisor.queries import Batch, Moment, responsive_statistics, whole_statistics
from trustd.hypervisor.settings import HypervisorSettings
from trustd.model import GuestId, Reading

_HANGS_PAST = 4.0
"""A bulk call that takes this many times as long as usual is taken to hang."""
_SLOW_PAST = 1.25
"""One that takes this many times as long as usual is only slow."""
_PATIENCE = (0.15, 0.4)
"""The least and the most of the deadline that one bulk call is waited for."""
_LAST_RESORT = 0.2
"""The part of the deadline that is kept for the calls that never block."""
_SMOOTHING = 0.2


class Sampler:
    """Reads all guests within a deadline; used by one thread.

    A call belongs to the tick that made it: what it brings later is dropped, so
    readings never go back in time.

    Args:
        settings: where to connect, the deadline, how many calls may be under way.
    """

    def __init__(self, settings: HypervisorSettings) -> None:
        self._settings = settings
        self._deadline = settings.deadline
        self._bulk = Lanes(settings, writable=False, name="sampling")
        self._gentle = Lanes(settings, writable=False, name="fallback")
        self._holds = Holds()
        self._usual: float | None = None

    @property
    def abandoned(self) -> int:
        """Calls that were given up and have not come back."""
        return self._bulk.busy + self._gentle.busy

    def sample(self, expected: int = 0) -> Reading:
        """Read all guests; never longer than the deadline, never raises.

        Args:
            expected: how many guests run, as far as is known.
        """
        moment = Moment.now()
        # libvirt asks one emulator after the other, so that the call takes as long as they are many
        self._deadline = self._settings.deadline_for(expected)
        end = time.monotonic() + self._deadline
        try:
            batches = self._batches(self._holds.held(moment.clock), end)
        except TrustdError as error:
            self._holds = Holds()  # whatever hung did so in a libvirtd that is gone
            return Reading(moment.at, moment.clock, error=str(error))
        if not batches:
            silence = f"the hypervisor did not answer within {self._deadline:g} s"
            return Reading(moment.at, moment.clock, error=silence)
        guests = {guest: reading for batch in batches for guest, reading in batch.guests.items()}
        return Reading(moment.at, moment.clock, guests)

    def close(self) -> None:
        """Close the connections; one with a call under way ends with the process."""
        self._bulk.close()
        self._gentle.close()

    def _batches(self, held: frozenset[GuestId], end: float) -> Sequence[Batch]:
        """What could be had by ``end``; of a guest in two of them, the later counts."""
        spared = self._ask_gently(held, end) if held else None
        whole = self._whole(held, end - self._deadline * _LAST_RESORT)
        if whole is None:
            spared = self._ask_gently(None, end)
        partial_batch = _by(spared, end)
        return [batch for batch in (partial_batch, whole) if batch is not None]

    def _whole(self, held: frozenset[GuestId], last: float) -> Batch | None:
        """The bulk call, made again beside itself while it hangs."""
        calls: list[Future[Batch]] = []
        failed = False
        while (left := last - time.monotonic()) > 0:
            call = self._bulk.submit(partial(whole_statistics, without=held))
            if call is not None:
                calls.append(call)
            elif not calls:
                return None
            patience = left if call is None else min(left, self._patience())
            done, _ = wait(calls, patience, FIRST_COMPLETED)
            for finished in sorted(done, key=calls.index, reverse=True):
                if (error := finished.exception()) is None:
                    return self._accepted(calls[: calls.index(finished) + 1], last)
                if failed:
                    raise error
                # The connection may have been lost since the last tick; the next call
                # opens another, and if that fails too there is nothing to reach.
                failed = True
                calls.remove(finished)
        return None

    def _accepted(self, calls: Sequence[Future[Batch]], last: float) -> Batch:
        """What the last of these brought, or an earlier one where that comes in time.

        The last passed by whomever the others wait for: an emulator that is only slow would
        look as if it hung, tick after tick.
        """
        *earlier, answered = calls
        wait(earlier, max(0.0, last - time.monotonic()))
        came = (call for call in earlier if call.done() and call.exception() is None)
        batch = next(came, answered).result()
        usual = batch.seconds if self._usual is None else self._usual
        self._usual = usual + _SMOOTHING * (batch.seconds - usual)
        if not all(call.done() for call in earlier):
            silent = [guest for guest, reading in batch.guests.items() if not reading.whole]
            self._holds.stalled(silent, batch.moment.clock)
        return batch

    def _patience(self) -> float:
        least, most = (part * self._deadline for part in _PATIENCE)
        if self._usual is None:
            return most
        # with so many guests that the usual call takes most of that, none is made twice for nothing
        most = max(most, self._usual * _SLOW_PAST)
        return min(max(self._usual * _HANGS_PAST, least), most)

    def _ask_gently(self, only: frozenset[GuestId] | None, end: float) -> Future[Batch] | None:
        return self._gentle.submit(partial(responsive_statistics, only=only, until=end))


def _by(call: Future[Batch] | None, end: float) -> Batch | None:
    """What a call brought, if it did by ``end``."""
    if call is None or not wait([call], max(0.0, end - time.monotonic())).done:
        return None
    return call.result()
