"""Putting a folder's declarations into force: contracts, metrics, health models.

Each that is new becomes a decision too, with its full text, so that the lake alone is enough to build everything again.
"""

from __future__ import annotations

from pathlib import Path

import structlog

from mainstem.analytics.health_models import activate_health_model
from mainstem.analytics.reader import read_health_model
from mainstem.intake import ContractActivated, DeclarationActivated
from mainstem.metrics import read_metric
from mainstem.runtime.wiring import Runtime

__all__ = ["activate_builtins", "activate_folder"]

_log = structlog.get_logger()


def activate_builtins(runtime: Runtime) -> None:
    """Put into force what comes with Mainstem, where a new installation does not have it yet."""
    for contract in runtime.registry.ensure_builtins(runtime.clock.wall()):
        _log.info("contract_activated", source=contract.source, stream=contract.stream, version=contract.version)


def activate_folder(runtime: Runtime, folder: Path) -> int:
    """Put into force what `contracts/`, `metrics/` and `health/` in the folder declare; how many are new.

    Raises ConfigurationError, naming the file, before anything after it is put into force.
    """
    decisions = runtime.decisions
    now = runtime.clock.wall()
    changed = 0
    for path in sorted((folder / "contracts").rglob("*.yaml")):
        contract, new = runtime.registry.activate(path.read_text(encoding="utf-8"), now, where=str(path))
        if new:
            decisions.decide(
                ContractActivated(
                    source=contract.source,
                    stream=contract.stream,
                    version=contract.version,
                    fingerprint=contract.fingerprint,
                    text=contract.text,
                )
            )
        changed += new
    for path in sorted((folder / "metrics").rglob("*.yaml")):
        metric = read_metric(path.read_text(encoding="utf-8"), where=str(path))
        declaration, new = runtime.metrics.activate(metric, now)
        if new:
            decisions.decide(
                DeclarationActivated(
                    kind="metric",
                    name=declaration.name,
                    version=declaration.version,
                    text=declaration.text,
                    since=declaration.since,
                )
            )
        changed += new
    for path in sorted((folder / "health").rglob("*.yaml")):
        model = read_health_model(path.read_text(encoding="utf-8"), where=str(path))
        declaration, new = activate_health_model(runtime.database, model, now)
        if new:
            decisions.decide(
                DeclarationActivated(
                    kind="health_model", name=declaration.name, version=declaration.version, text=declaration.text
                )
            )
        changed += new
    return changed
