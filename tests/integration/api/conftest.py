"""The whole application over a real database, called in process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from mainstem.access import ApiKeys, Role, Users
from mainstem.analytics.customers import Customers
from mainstem.analytics.health_models import HealthModels
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
from mainstem.api.journeys import journeys_router
from mainstem.api.live_metrics import live_metrics_router
from mainstem.api.live_scores import live_scores_router
from mainstem.api.quality import quality_router
from mainstem.api.quarantine import quarantine_router
from mainstem.api.remedies import remedies_router
from mainstem.api.tokens import TokenSigner
from mainstem.contracts import Registry
from mainstem.eventlog import PostgresLog
from mainstem.intake import Decisions, Door, DoorParts
from mainstem.lake import open_objects
from mainstem.metrics import Metrics, MetricsSettings
from mainstem.privacy import Keyring
from mainstem.processing import KnownParents, Ledger, Orders, Quarantine, QuarantineParts
from mainstem.quality import QualitySettings
from mainstem.runtime.installation import ensure_installation
from mainstem.store import Database
from mainstem.testing import FixedClock


@pytest.fixture
def services(database: Database, keyring: Keyring, clock: FixedClock, tmp_path: Path) -> Iterator[Services]:
    ensure_installation(database, keyring, clock, open_objects(tmp_path / "lake"))
    registry = Registry(database)
    registry.ensure_builtins(clock.wall())
    log = PostgresLog(database, keyring.sealer, clock, partitions=2)
    parts = DoorParts(
        log=log,
        registry=registry,
        references=keyring.references,
        hasher=keyring.hasher,
        clock=clock,
        database=database,
    )
    signer = TokenSigner(b"t" * 32)
    conservation = Conservation(database, Ledger(database, log), registry, clock, MetricsSettings())
    models, metrics = HealthModels(database), Metrics(database)
    customers = Customers(keyring.references, keyring.sealer, Wording(models, metrics.current))
    reader = CustomerReader(database, customers, models, conservation)
    with Door(parts) as door:
        decisions = Decisions(door, keyring.references, clock)
        known = KnownParents(database)
        quarantine = Quarantine(
            QuarantineParts(database, registry, keyring.references, keyring.hasher, keyring.sealer, known, decisions)
        )
        yield Services(
            database=database,
            clock=clock,
            door=door,
            keys=ApiKeys(database, clock),
            users=Users(database, clock, b"u" * 32),
            signer=signer,
            routers=lambda gate, hub: (
                contracts_router(database, registry, clock),
                data_router(conservation),
                quality_router(
                    conservation,
                    QualitySettings(),
                    lambda: (metrics.current().declared(), [models.current()]),
                    customers.ids,
                ),
                remedies_router(conservation, keyring.sealer, customers.ids),
                anomalies_router(conservation),
                agreements_router(conservation, list, registry, customers.ids),
                drift_router(conservation, registry),
                quarantine_router(quarantine, Orders(database), conservation, signer),
                analytics_router(reader, conservation, metrics),
                journeys_router(conservation, metrics),
                customers_router(reader, signer),
                live_metrics_router(conservation, gate, hub),
                live_scores_router(reader, gate, hub),
            ),
        )


@pytest.fixture
def app(services: Services, tmp_path: Path) -> FastAPI:
    static = tmp_path / "static"
    (static / "assets").mkdir(parents=True)
    (static / "index.html").write_text("<!doctype html><title>Mainstem</title>")
    (static / "assets" / "app-1.js").write_text("1")
    (static / "assets" / "app-1.js.gz").write_bytes(b"gz")
    return create_app(services, static)


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://mainstem.test") as client:
        yield client


@pytest.fixture
def bearer(services: Services) -> dict[Role, dict[str, str]]:
    """Headers with a key of each role."""
    return {role: {"Authorization": f"Bearer {services.keys.create(role.value, role)}"} for role in Role}
