"""Scores after a lost database: what is shown, out of the history that was kept."""

from __future__ import annotations

import datetime as dt

from mainstem.store import Database

__all__ = ["restore_scores"]

# The latest live row is what was shown, up to a minute of changes that were still to be logged. Midnights are settled as far
# as the history says; a customer's first one is due to be none before its first score.
_SCORES = """
    INSERT INTO score (ref, model, model_version, revision, score, band, grade, source, as_of, computed_at, due_at,
                       last_seen_at, daily_at, settled_at, logged_at, basis)
    SELECT live.ref, live.model, live.model_version, 1, live.score, live.band, live.grade, reference.source, live.as_of,
           live.known_at, live.as_of, (SELECT max(last_at) FROM cell WHERE cell.ref = live.ref),
           greatest(past.first, past.daily), greatest(past.first, past.settled), live.as_of, live.basis
    FROM (
        SELECT DISTINCT ON (ref, model) * FROM score_history WHERE kind = 'live'
        ORDER BY ref, model, as_of DESC, known_at DESC, id DESC
    ) AS live
    JOIN reference ON reference.ref = live.ref
    JOIN (
        SELECT ref, model, date_trunc('day', min(as_of), 'UTC') AS first,
               max(as_of) FILTER (WHERE kind = 'daily') AS daily,
               max(as_of) FILTER (WHERE kind = 'daily' AND complete) AS settled
        FROM score_history GROUP BY ref, model
    ) AS past ON past.ref = live.ref AND past.model = live.model
    """
# The fold has touched every customer since its first event. Midnights long written are not to be looked at again; those
# that a record changed which may not have been scored any more are.
_TOUCHED = """
    UPDATE touched SET since = least(score.as_of, (
        SELECT min(cell.bucket) FROM cell
        WHERE cell.ref = touched.ref AND cell.changed_at >= score.computed_at - %s
    ))
    FROM score WHERE score.ref = touched.ref
    """


def restore_scores(database: Database, margin: dt.timedelta) -> int:
    """Fill the score table of a new fold, which has cells and history already; how many scores there are.

    `margin` is by how much earlier than they took effect the fold says that cells changed. Raises StorageFullError or
    UnavailableError.
    """
    with database.transaction() as conn:
        restored = conn.execute(_SCORES).rowcount
        conn.execute(_TOUCHED, [margin])
    return restored
