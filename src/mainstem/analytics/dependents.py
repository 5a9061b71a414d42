"""Who uses a field of a contract: the port of `contracts`, answered for entities, metrics, health models and other contracts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mainstem.analytics.model import HealthModel
from mainstem.contracts import Contract, Use
from mainstem.metrics import Gauge, Journey, Metric, Subject, attributes_used

__all__ = ["DeclaredDependents"]


class DeclaredDependents:
    """`contracts.Dependents` over these metrics, health models and contracts that may refer to others."""

    def __init__(
        self,
        metrics: Sequence[Metric | Gauge | Journey],
        models: Sequence[HealthModel],
        contracts: Sequence[Contract] = (),
    ) -> None:
        self._metrics = metrics
        self._models = models
        self._contracts = contracts

    def of(self, contract: Contract, field: str) -> Sequence[Use]:
        """See `contracts.Dependents`: attributes first, then metrics over them, components that look at these, contracts that refer."""
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
        return [*uses, *self._references(contract, field)]

    def _references(self, contract: Contract, field: str) -> Iterator[Use]:
        """The contracts of which a field refers to this one."""
        for one in self._contracts:
            if one.source == contract.source:
                by = [
                    name
                    for name, own in one.fields.items()
                    if own.parent is not None and (own.parent.stream, own.parent.field) == (contract.stream, field)
                ]
                if by:
                    yield Use("contract", f"{one.source}.{one.stream}", f"refers to it: {', '.join(by)}")


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
