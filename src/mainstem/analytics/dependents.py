"""Who uses a field of a contract: the port of `contracts`, answered for entities, metrics and health models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mainstem.analytics.model import HealthModel
from mainstem.contracts import Contract, Use
from mainstem.metrics import Gauge, Journey, Metric, Subject, attributes_used

__all__ = ["DeclaredDependents"]


class DeclaredDependents:
    """`contracts.Dependents` over these metrics and health models."""

    def __init__(self, metrics: Sequence[Metric | Gauge | Journey], models: Sequence[HealthModel]) -> None:
        self._metrics = metrics
        self._models = models

    def of(self, contract: Contract, field: str) -> Sequence[Use]:
        """See `contracts.Dependents`: attributes first, then metrics over them, then components that look at these."""
        entity = contract.mapping.entity
        attributes = [name for name, to in contract.mapping.attributes.items() if to == field]
        uses = [Use("entity", f"{entity}.{name}", field) for name in attributes]
        hit: list[str] = []
        for metric in self._metrics:
            used = _used(metric, entity)
            by = [f"{used[name]}: {name}" for name in attributes if name in used]
            if by:
                uses.append(Use("journey" if isinstance(metric, Journey) else "metric", metric.name, ", ".join(by)))
                hit.append(metric.name)
        uses += [
            Use("health component", f"{model.name}.{component.name}", f"metric {component.metric}")
            for model in self._models
            for component in model.components
            if component.metric in hit
        ]
        return uses


def _used(declared: Metric | Gauge | Journey, entity: str) -> Mapping[str, str]:
    """The attributes of an entity that a metric or journey rests on, each with what for."""
    if isinstance(declared, Metric | Gauge):
        return attributes_used(declared) if declared.entity == entity else {}
    used: dict[str, str] = {}
    for track in declared.tracks:
        if track.entity == entity:
            used |= attributes_used(track)
            used |= {"person_id": "subject"} if track.subject is Subject.PERSON else {}
    return used
