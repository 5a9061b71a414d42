"""When each state of an entity was in force, by the day: what metrics over states rest on.

A state is in force from when its version was first observed until one that comes after it in merge order was. What was
observed late takes effect from when it was observed, and what is older in merge order than something observed before never
did. So the days follow from the versions alone, whatever order they came in.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence

from mainstem.processing.entity_merge import Version, running_states

__all__ = ["Step", "Steps", "first_seen", "steps_between", "steps_of"]

Step = tuple[dt.date, str, bytes, str]
"""Day, stream, customer, attributes as JSON."""

Steps = Counter[Step]
"""How many states begin to be in force (above zero) or cease to (below)."""


def first_seen(history: Sequence[Version]) -> dt.datetime | None:
    """When the first of the versions, or one that comes after it, was first observed: what came before ceased then."""
    return min((row.observed_at for row in history), default=None)


def steps_of(history: Sequence[Version]) -> Steps:
    """The steps of versions in merge order, of those that are of a customer."""
    steps: Steps = Counter()
    since: list[dt.datetime] = []
    for row in reversed(history):
        since.append(min(row.observed_at, since[-1]) if since else row.observed_at)
    since.reverse()
    for place, state in enumerate(running_states(history)):
        if state.deleted or state.customer is None:
            continue
        attributes, _ = state.content()
        begins = since[place].astimezone(dt.UTC).date()
        step = (history[place].stream, state.customer, attributes)
        steps[begins, *step] += 1
        if place + 1 < len(history):
            steps[since[place + 1].astimezone(dt.UTC).date(), *step] -= 1
    return steps


def steps_between(before: Sequence[Version], after: Sequence[Version]) -> Steps:
    """What changes when one history takes another's place. Both begin with the same state, or are whole."""
    changed = steps_of(after)
    changed.subtract(steps_of(before))
    return Counter({step: n for step, n in changed.items() if n})
