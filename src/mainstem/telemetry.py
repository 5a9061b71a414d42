"""Named telemetry events: every figure Mainstem publishes is declared here, with bounded labels.

Rooms call the functions of the instruments below; the exporter (`/metrics`) reads the default Prometheus registry. Labels
are names of ours (source, stream, partition, lane, role, reason), never values of a record.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

__all__ = [
    "API_SECONDS",
    "APPEND_SECONDS",
    "COMMIT_SECONDS",
    "LAKE_COMMITS",
    "PROCESS_RESTARTS",
    "RECORDS_ACCEPTED",
    "RECORDS_DISCARDED",
    "RECORDS_DUPLICATE",
    "RECORDS_HELD",
    "RECORDS_QUARANTINED",
    "RECORDS_RECEIVED",
    "RECORDS_REFUSED",
    "SCORES_COMPUTED",
    "SINK_LAG_SECONDS",
]

_FAST = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)

RECORDS_RECEIVED = Counter("mainstem_records_received", "Records appended to the log", ["source", "stream", "lane"])
RECORDS_REFUSED = Counter("mainstem_records_refused", "Records refused at the door", ["source", "reason"])
RECORDS_ACCEPTED = Counter("mainstem_records_accepted", "Records in effect", ["source", "stream"])
RECORDS_DUPLICATE = Counter("mainstem_records_duplicate", "Repeats removed", ["source", "stream"])
RECORDS_DISCARDED = Counter(
    "mainstem_records_discarded", "Records that a contract's policy discards", ["source", "stream"]
)
RECORDS_HELD = Counter("mainstem_records_held", "Records held for somebody's word", ["source", "stream"])
RECORDS_QUARANTINED = Counter(
    "mainstem_records_quarantined", "Records put in quarantine", ["source", "stream", "reason"]
)
APPEND_SECONDS = Histogram("mainstem_append_seconds", "Group commit of the door", buckets=_FAST)
COMMIT_SECONDS = Histogram("mainstem_commit_seconds", "Transaction of the sink", buckets=_FAST)
SINK_LAG_SECONDS = Gauge(
    "mainstem_sink_lag_seconds",
    "Age of the oldest record not in effect",
    ["partition", "lane"],
    # Of all processes of a tree the owner of the partition spoke last.
    multiprocess_mode="livemostrecent",
)
LAKE_COMMITS = Counter("mainstem_lake_commits", "Commits of the lake writer")
SCORES_COMPUTED = Counter("mainstem_scores_computed", "Health scores computed")
PROCESS_RESTARTS = Counter("mainstem_process_restarts", "Roles restarted by the supervisor", ["role"])
API_SECONDS = Histogram("mainstem_api_seconds", "Answers of the API", ["route", "method", "status"], buckets=_FAST)
