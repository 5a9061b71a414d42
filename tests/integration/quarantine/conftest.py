"""An installation with records in quarantine, whose parts run in the test's own process."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mainstem.cli.main import main
from mainstem.intake import Load, LoadReport, load_files
from mainstem.model import HeldLoad
from mainstem.testing.site import Site

_CONTRACT = """
apiVersion: v3.2.0
kind: DataContract
id: shop-views
version: 1.0.0
status: active
team: {{name: Shop, members: [{{username: ann, role: Owner}}]}}
customProperties:
  - {{property: source, value: shop}}
schema:
  - name: views
    logicalType: object
    customProperties:
      - {{property: kind, value: event}}
      - {{property: partitionKey, value: customer}}
      - {{property: recordId, value: id}}
      - {{property: occurredAt, value: at}}
      - property: mapping
        value:
          entity: usage_event
          attributes: {{customer_id: customer, event: {{constant: view}}, occurred_at: at}}
    properties:
      - {{name: id, logicalType: string, required: true}}
      - name: customer
        logicalType: string
        required: true
        customProperties: [{{property: pii, value: identifier}}]
      - {{name: at, logicalType: timestamp, required: true}}
      - {{name: plan, logicalType: string, enum: [{plans}]}}
"""


def contract(*plans: str) -> str:
    """The contract of shop.views, with these plans allowed."""
    return _CONTRACT.format(plans=", ".join(f"{{value: {plan}}}" for plan in plans))


_RULES = """
    quality:
      - {{name: plausible, type: custom, engine: mainstem, severity: hold, implementation: amount <= {most}}}
      - {{name: known_currency, type: custom, engine: mainstem, severity: hold, implementation: "currency IN ('EUR', 'USD')"}}
      - {{name: positive, type: custom, engine: mainstem, implementation: amount >= 0}}
"""


def holding(*plans: str, most: int = 100) -> str:
    """The contract of shop.views, whose amounts above `most` and strange currencies are held."""
    fields = """      - {name: amount, logicalType: integer}
      - {name: currency, logicalType: string}"""
    return contract(*plans).rstrip() + "\n" + fields + _RULES.format(most=most)


def view(number: int, **payload: Any) -> dict[str, Any]:
    """A record of shop.views."""
    at = f"2026-01-10T09:{number % 60:02}:00Z"
    return {
        "stream": "views",
        "payload": {"id": f"v{number}", "customer": f"c{number % 7}", "at": at, "plan": "free", **payload},
    }


class Shop:
    """What is done to the installation, a step at a time."""

    def __init__(self, site: Site, capsys: pytest.CaptureFixture[str]) -> None:
        self.site = site
        self._capsys = capsys

    def declare(self, *plans: str) -> None:
        self.site.declare("contracts/shop/views.yaml", contract(*plans))

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """While a worker runs."""
        with self.site.runtime() as runtime:
            runtime.worker.start()
            try:
                yield
            finally:
                runtime.worker.stop()

    def run(self, *arguments: str) -> tuple[int, Any]:
        """Run `mainstem quarantine ... --json` beside a worker; its status, and what it printed."""
        self._capsys.readouterr()
        with self.working():
            status = main(["quarantine", *arguments, "--json", "--data-dir", str(self.site.data_dir)])
        printed = self._capsys.readouterr()
        if status > 1:
            return status, printed.err
        # Before a command has said where logs go, the worker's are printed too.
        [told] = [line for line in printed.out.splitlines() if line.startswith(("[", "{"))]
        return status, json.loads(told)

    def said(self, *arguments: str) -> str:
        """As `run`, in text."""
        self._capsys.readouterr()
        with self.working():
            main(["quarantine", *arguments, "--data-dir", str(self.site.data_dir)])
        return self._capsys.readouterr().out

    def events(self) -> int:
        """What the metric `events` counts of shop.views."""
        [(total,)] = self.site.query(
            "SELECT coalesce(sum(value), 0)::bigint FROM cell JOIN series USING (series)"
            " WHERE metric = 'events' AND source = 'shop'"
        )
        return int(total)

    def line(self) -> tuple[int, int, int, int]:
        """Of shop.views: received, accepted, duplicate, quarantined."""
        lines = [line for line in self.site.status() if line.source == "shop"]
        names = ("received", "accepted", "duplicate", "quarantined")
        received, accepted, duplicate, quarantined = (sum(getattr(one, name) for one in lines) for name in names)
        return received, accepted, duplicate, quarantined


@pytest.fixture
def shop(migrated_dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shop:
    """Fresh, with the first contract in force: the plan is free or paid."""
    shop = Shop(Site.begin(tmp_path / "data", migrated_dsn), capsys)
    shop.declare("free", "paid")
    return shop


BAND = "      - {property: loadVolume, value: {from: 0.5, to: 2, loads: 3}}\n"


def banded(*plans: str, row_count: str = "") -> str:
    """The contract of shop.views with a band for its loads."""
    text = holding(*plans).replace("      - property: mapping\n", f"{BAND}      - property: mapping\n")
    return text + row_count


class Loads:
    """What is loaded into shop.views, a file at a time."""

    def __init__(self, shop: Shop, folder: Path) -> None:
        self.shop, self.folder = shop, folder
        self._next = 0

    def file(self, count: int, **payload: Any) -> Path:
        """A file of so many new views."""
        path = self.folder / f"load-{self._next}.ndjson"
        rows = [view(n, amount=n % 90, **payload)["payload"] for n in range(self._next, self._next + count)]
        self._next += count
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    def bring(self, path: Path) -> LoadReport:
        """Load a file, and let it take effect."""
        with self.shop.site.runtime() as runtime, runtime.door as door:
            report = load_files(Load(str(path), "shop", "views"), door)
        self.shop.site.work()
        return report

    def held(self, path: Path) -> HeldLoad:
        """Load a file that is to be held."""
        report = self.bring(path)
        assert report.held is not None
        return report.held

    def terms(self) -> tuple[int, ...]:
        """Of shop.views: received, accepted, duplicate, quarantined, held; what is counted is what there is."""
        with self.shop.site.runtime() as runtime:
            assert runtime.ledger.deep_check() == []
        names = ("received", "accepted", "duplicate", "quarantined", "held")
        lines = [line for line in self.shop.site.status() if line.source == "shop"]
        return tuple(sum(getattr(line, name) for line in lines) for name in names)


def declare(site: Site, text: str) -> None:
    site.declare("contracts/shop/views.yaml", text)
    site.query("UPDATE contract SET activated_at = activated_at - interval '1 minute'")


@pytest.fixture
def loads(shop: Shop, tmp_path: Path) -> Loads:
    """Three usual loads of ten rows are there: five to twenty are expected."""
    declare(shop.site, banded("free", "paid"))
    loads = Loads(shop, tmp_path)
    for _ in range(3):
        assert loads.bring(loads.file(10)).held is None
    assert loads.terms() == (30, 30, 0, 0, 0)
    return loads
