"""Orders about records in quarantine are carried out: a stretch of one in a turn, because other orders and jobs wait meanwhile.

Whoever holds the scheduler's lease does it. Where one was killed in a turn, what it decided is looked for first: not before
what it had put into the log must be in effect, because until then nobody can tell.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from typing import TYPE_CHECKING

import structlog

from mainstem.contracts import read_contract
from mainstem.errors import MainstemError, RetryableError
from mainstem.processing import Orders, Outcome
from mainstem.runtime.in_effect import all_in_effect

if TYPE_CHECKING:
    from mainstem.processing.orders import Turn, Uncounted
    from mainstem.runtime.wiring import Runtime

__all__ = ["OrderSettling", "trim_orders"]

_log = structlog.get_logger()

# About a second's work: so much is done again after a kill, and so soon somebody sees how far it is.
_STRETCH = 2_000
# Some seconds' work beside a busy worker.
_TURNS = 5
# Longer than from a claim to the commit of what it was for, by whoever is not dead.
_CLAIMED = dt.timedelta(seconds=30)
_KEPT = dt.timedelta(days=30)
_UNFORESEEN = "It met what nobody foresaw; the scheduler's log tells more (order_failed). What was decided holds."


class OrderSettling:
    """See the module's text; for one thread."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._orders = Orders(runtime.database)

    def step(self, *, turns: int = _TURNS, most: int = _STRETCH) -> int:
        """Go on with what is ordered, for some turns of at most so many records; how many were decided.

        The runtime's door must not be started: it is, where there is something to do. Raises StorageFullError or
        UnavailableError.
        """
        decided = sum(self._counted(one) for one in self._orders.uncounted())
        with contextlib.ExitStack() as stack:
            for number in range(turns):
                turn = self._orders.begin_turn(most)
                if turn is None:
                    break
                if number == 0:
                    self._runtime.registry.refresh()
                    stack.enter_context(self._runtime.door)
                decided += self._take(turn)
        return decided

    def _take(self, turn: Turn) -> int:
        """Decide a stretch. What keeps an order from being carried out ends it, and is no matter of other orders."""
        try:
            outcome = self._outcome(turn)
        except RetryableError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever one order met, it must not come again for ever
            _log.exception("order_failed", order=str(turn.order), verb=turn.verb)
            self._orders.fail(turn, str(error) if isinstance(error, MainstemError) else _UNFORESEEN)
            return 0
        if self._orders.end_turn(turn, outcome) and outcome.reached is None:
            _log.info("order_settled", order=str(turn.order), verb=turn.verb)
        return outcome.decided

    def _outcome(self, turn: Turn) -> Outcome:
        quarantine = self._runtime.quarantine
        if turn.verb == "preview":
            tried = None if turn.contract is None else read_contract(turn.contract, "the contract that is tried")
            return quarantine.preview(turn.selection, tried, turn.stretch)
        decide = {"replay": quarantine.replay, "release": quarantine.release, "dismiss": quarantine.dismiss}[turn.verb]
        return decide(turn.selection, turn.author, turn.stretch)

    def _counted(self, uncounted: Uncounted) -> int:
        """Count what a turn that ended in disorder had decided, where it is time."""
        runtime = self._runtime
        if uncounted.heads is not None:
            if not runtime.await_effect(uncounted.heads, 0):
                return 0
        else:
            until = uncounted.claimed_at + _CLAIMED
            if not all_in_effect(runtime, until):
                return 0
        return self._orders.count(uncounted)


def trim_orders(runtime: Runtime) -> int:
    """Forget orders that ended long ago; how many."""
    return Orders(runtime.database).trim(runtime.clock.wall() - _KEPT)
