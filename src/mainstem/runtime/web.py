"""The web application with this process's parts."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, FastAPI

from mainstem.access import ApiKeys
from mainstem.analytics.customers import Customers
from mainstem.analytics.model import HealthModel
from mainstem.analytics.wording import Wording
from mainstem.api.agreements import agreements_router
from mainstem.api.analytics import analytics_router
from mainstem.api.anomalies import anomalies_router
from mainstem.api.app import Services, create_app
from mainstem.api.conservation import Conservation
from mainstem.api.contracts import contracts_router
from mainstem.api.customers import CustomerReader, customers_router
from mainstem.api.data import data_router
from mainstem.api.drift import drift_router
from mainstem.api.hub import LiveHub
from mainstem.api.journeys import journeys_router
from mainstem.api.live_metrics import live_metrics_router
from mainstem.api.live_scores import live_scores_router
from mainstem.api.quality import quality_router
from mainstem.api.quarantine import quarantine_router
from mainstem.api.remedies import remedies_router
from mainstem.api.security import Gate
from mainstem.api.tokens import TokenSigner
from mainstem.metrics import Gauge, Journey, Metric
from mainstem.processing import Orders
from mainstem.runtime.wiring import Runtime

__all__ = ["application"]


def application(runtime: Runtime) -> FastAPI:
    """The API and the dashboard over `runtime`; its door has to be started before it serves."""
    signer = TokenSigner(runtime.keyring.derive("token"))
    conservation = Conservation(
        runtime.database, runtime.ledger, runtime.registry, runtime.clock, runtime.config.metrics
    )

    orders = Orders(runtime.database, runtime.config.processing.decide_at_once)
    wording = Wording(runtime.health_models, runtime.metrics.current)
    customers = Customers(runtime.keyring.references, runtime.keyring.sealer, wording)
    reader = CustomerReader(runtime.database, customers, runtime.health_models, conservation)

    def declared() -> tuple[Sequence[Metric | Gauge | Journey], Sequence[HealthModel]]:
        return runtime.metrics.current().declared(), [runtime.health_models.current()]

    def routers(gate: Gate, hub: LiveHub) -> Sequence[APIRouter]:
        return (
            contracts_router(runtime.database, runtime.registry, runtime.clock),
            data_router(conservation),
            quality_router(conservation, runtime.config.quality, declared, customers.ids),
            remedies_router(conservation, runtime.keyring.sealer, customers.ids),
            anomalies_router(conservation),
            agreements_router(conservation, runtime.agreements, runtime.registry, customers.ids),
            drift_router(conservation, runtime.registry),
            quarantine_router(runtime.quarantine, orders, conservation, signer),
            analytics_router(reader, conservation, runtime.metrics),
            journeys_router(conservation, runtime.metrics),
            customers_router(reader, signer),
            live_metrics_router(conservation, gate, hub),
            live_scores_router(reader, gate, hub),
        )

    return create_app(
        Services(
            database=runtime.database,
            clock=runtime.clock,
            door=runtime.door,
            keys=ApiKeys(runtime.database, runtime.clock),
            users=runtime.users,
            signer=signer,
            routers=routers,
        )
    )
