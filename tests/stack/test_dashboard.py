"""The dashboard in a real Chromium, over a real installation."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from mainstem.access import Role
from mainstem.runtime.declarations import activate_folder
from mainstem.runtime.wiring import connect_runtime
from mainstem.testing.samples import accounts_contract
from mainstem.testing.tree import RunningTree, free_port

pytestmark = pytest.mark.stack

PASSWORD = "correct horse battery"
PATIENCE = 30


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTree]:
    with RunningTree(tmp_path_factory.mktemp("dashboard") / "data", free_port()) as tree:
        with connect_runtime(tree.data_dir) as runtime:
            runtime.users.create("ann", PASSWORD, Role.ADMIN)
        yield tree


@pytest.fixture(scope="module")
def key(tree: RunningTree) -> str:
    return tree.new_key("sender", "engineer")


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chrome]:
    options = ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                     "--disable-background-networking", "--disable-component-update", "--disable-sync",
                     "--window-size=1280,1000", f"--user-data-dir={tmp_path / 'profile'}"):  # fmt: skip
        options.add_argument(argument)
    browser = Chrome(options=options, service=ChromeService(shutil.which("chromedriver")))
    yield browser
    browser.quit()


def send(tree: RunningTree, key: str, event_id: str, event: str) -> None:
    now = dt.datetime.now(dt.UTC).isoformat()
    payload = {"id": event_id, "customer_id": "acme", "event": event, "occurred_at": now}
    answer = httpx.post(
        f"{tree.url}/api/v1/data/ingest/shop",
        json={"stream": "usage_events", "payload": payload},
        headers={"Authorization": f"Bearer {key}"},
    )
    assert answer.status_code == 202, answer.text


def sign_in(browser: Chrome, tree: RunningTree, path: str = "/", *, name: str = "ann") -> None:
    browser.get(tree.url + path)
    wait = WebDriverWait(browser, PATIENCE)
    field, password = wait.until(lambda b: b.find_elements(By.TAG_NAME, "input")[:2])
    field.send_keys(name)
    password.send_keys(PASSWORD, Keys.ENTER)
    wait.until(lambda b: b.find_elements(By.CSS_SELECTOR, '.connection[data-status="live"]'))


def test_own_event_is_seen_on_its_customers_page(browser: Chrome, tree: RunningTree, key: str) -> None:
    send(tree, key, "e-1", "hello_world")
    sign_in(browser, tree)
    browser.get(f"{tree.url}/customers/shop%3Aacme")
    wait = WebDriverWait(browser, PATIENCE)
    wait.until(lambda b: "hello_world" in b.find_element(By.CSS_SELECTOR, '[data-testid="timeline"]').text)
    # The page is open now: the next event has to come by itself.
    send(tree, key, "e-2", "second_event")
    wait.until(lambda b: "second_event" in b.find_element(By.CSS_SELECTOR, '[data-testid="timeline"]').text)
    score = browser.find_element(By.CSS_SELECTOR, '[data-testid="score"]').text
    assert float(score.split()[0]) >= 0


def test_conservation_is_shown_and_balanced(browser: Chrome, tree: RunningTree, key: str) -> None:
    send(tree, key, "e-1", "hello_world")
    sign_in(browser, tree, "/data")
    wait = WebDriverWait(browser, PATIENCE)
    equation = wait.until(lambda b: b.find_element(By.CSS_SELECTOR, '[data-testid="equation"]'))
    assert equation.get_attribute("data-balanced") == "true"


def test_wrong_password_says_so(browser: Chrome, tree: RunningTree) -> None:
    browser.get(tree.url)
    wait = WebDriverWait(browser, PATIENCE)
    name, password = wait.until(lambda b: b.find_elements(By.TAG_NAME, "input")[:2])
    name.send_keys("ann")
    password.send_keys("wrong password", Keys.ENTER)
    [told] = wait.until(lambda b: b.find_elements(By.CSS_SELECTOR, '[role="alert"]'))
    assert told.text.strip() == "Name and password do not fit."
    assert not browser.get_cookies()


def test_quarantined_records_are_previewed_and_dismissed(
    browser: Chrome, tree: RunningTree, key: str, tmp_path: Path
) -> None:
    answer = httpx.post(
        f"{tree.url}/api/v1/data/ingest/shop",
        json={"stream": "usage_events", "payload": {"id": "q-1", "customer_id": "acme", "event": "late"}},
        headers={"Authorization": f"Bearer {key}"},
    )
    assert answer.status_code == 202, answer.text
    sign_in(browser, tree, "/data/shop")
    wait = WebDriverWait(browser, PATIENCE)

    def press(name: str) -> None:
        path = f"//div[@class='decide']//button[starts-with(normalize-space(), '{name}')]"
        # By the keyboard, as whoever has no mouse.
        wait.until(lambda b: b.find_element(By.XPATH, path)).send_keys(Keys.ENTER)

    def said() -> str:
        return browser.find_element(By.CSS_SELECTOR, ".decide").text

    press("Preview")
    wait.until(lambda _: "0 of 1 would pass" in said())
    browser.save_screenshot(str(tmp_path / "previewed.png"))
    press("Dismiss…")
    browser.find_element(By.CSS_SELECTOR, ".decide input").send_keys("a test")
    browser.save_screenshot(str(tmp_path / "dismissing.png"))
    press("Dismiss 1")
    wait.until(lambda b: "Nothing waits" in b.find_element(By.TAG_NAME, "main").text)


def test_held_records_are_released_with_a_reason(browser: Chrome, tree: RunningTree, key: str, tmp_path: Path) -> None:
    contract = tmp_path / "declared/contracts/accounts.yaml"
    contract.parent.mkdir(parents=True)
    contract.write_text(accounts_contract("desk", held_plan="H"))
    tree.command("activate", str(tmp_path / "declared"))
    account = {"id": "a-1", "plan": "H", "updated_at": "2026-01-10T09:00:00Z"}
    headers = {"Authorization": f"Bearer {key}"}

    def status() -> dict[str, int]:
        answer = httpx.get(f"{tree.url}/api/v1/data/status/desk", headers=headers).json()
        terms: dict[str, int] = answer.get("data", {})
        return terms

    sign_in(browser, tree)
    wait = WebDriverWait(browser, PATIENCE)
    # The door learns of the contract when the API does.
    wait.until(lambda _: httpx.get(f"{tree.url}/api/v1/contracts/desk/accounts", headers=headers).status_code == 200)
    answer = httpx.post(
        f"{tree.url}/api/v1/data/ingest/desk",
        json={"stream": "accounts", "op": "upsert", "payload": account},
        headers=headers,
    )
    assert answer.status_code == 202, answer.text
    wait.until(lambda _: status().get("pending") == 0)
    browser.get(f"{tree.url}/data/desk")
    wait.until(lambda b: "held by plan_is_known" in b.find_element(By.CSS_SELECTOR, ".reason-list").text)
    [release] = [one for one in browser.find_elements(By.CSS_SELECTOR, ".decide button") if one.text == "Release…"]
    release.send_keys(Keys.ENTER)
    browser.find_element(By.CSS_SELECTOR, ".decide input").send_keys("a plan of ours", Keys.ENTER)
    wait.until(lambda b: "Nothing waits" in b.find_element(By.TAG_NAME, "main").text)
    wait.until(lambda _: (status()["accepted"], status()["held"]) == (1, 0))


def dark_or_light(browser: Chrome, scheme: str) -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def button(browser: Chrome, name: str) -> WebElement:
    path = f"//main//button[normalize-space()='{name}']"
    return WebDriverWait(browser, PATIENCE).until(lambda b: b.find_element(By.XPATH, path))


def picture(browser: Chrome, path: Path) -> None:
    """The whole page, however long it is."""
    height = browser.execute_script("return document.documentElement.scrollHeight")
    browser.set_window_size(1280, max(1000, height + 150))
    browser.save_screenshot(str(path))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_record_is_opened_tried_and_fixed(
    browser: Chrome, tree: RunningTree, key: str, tmp_path: Path, scheme: str
) -> None:
    """By an administrator, by the keyboard; what was tried decides nothing, what was fixed takes effect."""
    source = f"mended_{scheme}"
    wrong = {
        "id": "m-1",
        "customer_id": "acme",
        "event": "opened",
        "occurred_at": "last Tuesday",
        "plan": {"seats": 1.50},
    }
    headers = {"Authorization": f"Bearer {key}"}
    answer = httpx.post(
        f"{tree.url}/api/v1/data/ingest/{source}", json={"stream": "usage_events", "payload": wrong}, headers=headers
    )
    assert answer.status_code == 202, answer.text
    dark_or_light(browser, scheme)
    sign_in(browser, tree, f"/data/{source}")
    wait = WebDriverWait(browser, PATIENCE)
    button(browser, "Show records").send_keys(Keys.ENTER)
    wait.until(lambda b: b.find_element(By.CSS_SELECTOR, ".places a")).send_keys(Keys.ENTER)
    wait.until(lambda b: "last Tuesday" not in b.page_source and "Sealed" in b.find_element(By.TAG_NAME, "main").text)
    picture(browser, tmp_path / "sealed.png")
    button(browser, "Open the payload").send_keys(Keys.ENTER)
    marked = wait.until(lambda b: b.find_element(By.CSS_SELECTOR, ".payload mark"))
    assert '"occurred_at": "last Tuesday"' in marked.text
    text = browser.find_element(By.TAG_NAME, "textarea")

    def said() -> str:
        return browser.find_element(By.CSS_SELECTOR, ".mend-said").text

    def write(payload: str) -> None:
        text.send_keys(Keys.CONTROL, "a")
        text.send_keys(payload)

    button(browser, "Try it").send_keys(Keys.ENTER)
    wait.until(lambda _: "occurred_at: invalid_time" in said())
    picture(browser, tmp_path / "failing.png")
    write("{")
    button(browser, "Try it").send_keys(Keys.ENTER)
    wait.until(lambda _: "This is no JSON" in said())
    write(json.dumps({**wrong, "occurred_at": dt.datetime.now(dt.UTC).isoformat()}))
    button(browser, "Try it").send_keys(Keys.ENTER)
    wait.until(lambda _: "Nothing is decided yet" in said())
    assert "Nothing yet." in browser.find_element(By.TAG_NAME, "main").text
    browser.find_element(By.CSS_SELECTOR, ".mend input[maxlength]").send_keys("asked the customer")
    picture(browser, tmp_path / "passing.png")
    button(browser, "Fix").send_keys(Keys.ENTER)
    wait.until(lambda b: "in effect" in b.find_element(By.CSS_SELECTOR, ".page-title").text)
    main = browser.find_element(By.TAG_NAME, "main").text
    assert "fixed by user:ann" in main
    assert "asked the customer" in main
    assert "Correct it" not in main
    picture(browser, tmp_path / "fixed.png")
    status = httpx.get(f"{tree.url}/api/v1/data/status/{source}", headers=headers).json()["data"]
    assert (status["accepted"], status["quarantined"], status["balanced"]) == (1, 0, True)


def test_who_may_not_open_a_payload_is_told_so(browser: Chrome, tree: RunningTree, key: str, tmp_path: Path) -> None:
    with connect_runtime(tree.data_dir) as runtime:
        runtime.users.create("eve", PASSWORD, Role.ENGINEER)
    headers = {"Authorization": f"Bearer {key}"}
    payload = {"id": "s-1", "customer_id": "acme", "event": "opened", "occurred_at": "secretly"}
    httpx.post(
        f"{tree.url}/api/v1/data/ingest/kept", json={"stream": "usage_events", "payload": payload}, headers=headers
    ).raise_for_status()
    wait = WebDriverWait(browser, PATIENCE)

    def record() -> str:
        rows = httpx.get(f"{tree.url}/api/v1/data/quarantine", params={"source": "kept"}, headers=headers).json()
        return "".join(row["id"] for row in rows["data"]["rows"])

    wait.until(lambda _: record())
    sign_in(browser, tree, f"/data/kept/records/{record()}", name="eve")
    wait.until(lambda b: "Not for your role" in b.find_element(By.TAG_NAME, "main").text)
    assert "secretly" not in browser.page_source
    assert not browser.find_elements(By.TAG_NAME, "textarea")
    picture(browser, tmp_path / "refused.png")
    browser.find_element(By.CSS_SELECTOR, ".mend input").send_keys("a test", Keys.ENTER)
    wait.until(lambda b: "given up" in b.find_element(By.CSS_SELECTOR, ".page-title").text)


MANY = 24_000


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_decision_about_many_goes_on_without_the_page_and_is_cancelled(
    browser: Chrome, tree: RunningTree, key: str, tmp_path: Path, scheme: str
) -> None:
    source = f"many_{scheme}"
    headers = {"Authorization": f"Bearer {key}"}
    records = [
        {"stream": "usage_events", "payload": {"id": f"n-{n}", "customer_id": "acme", "event": "late"}}
        for n in range(MANY)
    ]
    address = f"{tree.url}/api/v1/data/ingest/{source}"
    httpx.post(address, json=records, headers=headers, timeout=60).raise_for_status()

    def status() -> dict[str, int]:
        answer = httpx.get(f"{tree.url}/api/v1/data/status/{source}", headers=headers, timeout=60).json()
        terms: dict[str, int] = answer.get("data", {})
        return terms

    wait = WebDriverWait(browser, 4 * PATIENCE)
    wait.until(lambda _: status().get("quarantined") == MANY)
    dark_or_light(browser, scheme)
    sign_in(browser, tree, f"/data/{source}")
    button(browser, "Dismiss…").send_keys(Keys.ENTER)
    browser.find_element(By.CSS_SELECTOR, ".decide input").send_keys("a test", Keys.ENTER)
    wait.until(lambda b: b.find_element(By.CSS_SELECTOR, ".decide [role=progressbar]"))
    browser.refresh()
    bar = wait.until(lambda b: b.find_element(By.CSS_SELECTOR, ".decide [role=progressbar]"))
    assert "Dismissal of 24,000 records" in str(bar.get_attribute("aria-label"))
    path = ".decide [role=progressbar]:not([aria-valuenow='0'])"
    wait.until(lambda b: b.find_element(By.CSS_SELECTOR, path))
    picture(browser, tmp_path / "ordered.png")
    button(browser, "Cancel the rest").send_keys(Keys.ENTER)
    told = wait.until(lambda b: b.find_element(By.CSS_SELECTOR, ".orders").text)
    assert "cancelled" in told
    picture(browser, tmp_path / "cancelled.png")
    [order] = httpx.get(f"{tree.url}/api/v1/data/quarantine/orders", params={"source": source}, headers=headers).json()[
        "data"
    ]
    assert (order["state"], order["by"], order["selected"]) == ("cancelled", "user:ann", MANY)
    assert 0 < order["decided"] < MANY


JOURNEY = """
kind: funnel
name: paying
label: From a look to a payment
steps: [{name: looked, event: looked}, {name: paid, event: paid}]
window: 1d
"""


def test_a_declared_funnel_says_where_subjects_drop_out(
    browser: Chrome, tree: RunningTree, key: str, tmp_path: Path
) -> None:
    (tmp_path / "declared/metrics").mkdir(parents=True)
    (tmp_path / "declared/metrics/paying.yaml").write_text(JOURNEY)
    with connect_runtime(tree.data_dir) as runtime, runtime.door:
        activate_folder(runtime, tmp_path / "declared")
    now = dt.datetime.now(dt.UTC)
    for number, (customer, event) in enumerate((("a", "looked"), ("b", "looked"), ("a", "paid"))):
        at = (now - dt.timedelta(minutes=10 - number)).isoformat()
        payload = {"id": f"j-{number}", "customer_id": customer, "event": event, "occurred_at": at}
        httpx.post(
            f"{tree.url}/api/v1/data/ingest/shop",
            json={"stream": "usage_events", "payload": payload},
            headers={"Authorization": f"Bearer {key}"},
        ).raise_for_status()
    sign_in(browser, tree, "/journeys")
    wait = WebDriverWait(browser, PATIENCE)

    def steps(driver: Chrome) -> list[str]:
        found = [one.text.replace("\n", " ") for one in driver.find_elements(By.CSS_SELECTOR, ".funnel > li")]
        if len(found) != 2 or "1 50.0" not in found[1]:
            # What was asked before the events took effect is shared for two seconds.
            driver.refresh()
        return found

    wait.until(lambda b: "1 50.0" in " ".join(steps(b)))
    looked, paid = steps(browser)
    assert looked.startswith("Looked 2 100")
    assert "1 dropped out (50.0" in paid
    # By the keyboard: another span, by the arrow keys of the group.
    browser.find_element(By.CSS_SELECTOR, ".segmented input:checked").send_keys(Keys.ARROW_LEFT)
    chosen = browser.find_element(By.CSS_SELECTOR, ".segmented input:checked")
    assert chosen.get_attribute("value") == "30"
    assert "Fresh" in browser.find_element(By.CSS_SELECTOR, ".tile .vintage").text


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_quality_says_which_field_is_worst_and_shows_its_history(
    browser: Chrome, tree: RunningTree, key: str, tmp_path: Path, scheme: str
) -> None:
    now = dt.datetime.now(dt.UTC).isoformat()
    payloads = [{"id": f"w-{n}", "customer_id": "acme", "event": "opened", "occurred_at": now} for n in range(30)]
    for payload in payloads[::2]:
        del payload["event"]
    answer = httpx.post(
        f"{tree.url}/api/v1/data/ingest/works",
        json=[{"stream": "usage_events", "payload": payload} for payload in payloads],
        headers={"Authorization": f"Bearer {key}"},
    )
    assert answer.status_code == 202, answer.text
    dark_or_light(browser, scheme)
    sign_in(browser, tree, "/quality/works")
    wait = WebDriverWait(browser, PATIENCE)
    row = wait.until(lambda b: b.find_element(By.CSS_SELECTOR, ".quality-fields tbody tr"))
    assert row.text.startswith("event required")
    assert "Poor" in row.text
    assert "50.0" in row.text
    row.find_element(By.TAG_NAME, "button").send_keys(Keys.ENTER)
    wait.until(lambda b: "Over time: event of works.usage_events" in b.find_element(By.TAG_NAME, "main").text)
    wait.until(lambda b: "50.0" in b.find_element(By.CSS_SELECTOR, ".tile.wide .notice").text)
    browser.save_screenshot(str(tmp_path / f"{scheme}.png"))
    assert browser.find_element(By.TAG_NAME, "html").get_attribute("data-theme") == scheme


REMEDIED = """
apiVersion: v3.2.0
kind: DataContract
id: remedied-accounts
version: 1.0.0
customProperties: [{property: source, value: SOURCE}]
schema:
  - name: accounts
    customProperties:
      - {property: partitionKey, value: id}
      - {property: mapping, value: {entity: customer, attributes: {customer_id: id, name: name, plan: plan}}}
    properties:
      - {name: id, logicalType: string, required: true, primaryKey: true}
      - name: name
        logicalType: string
        customProperties: [{property: pii, value: name}, {property: remedies, value: [{standardise: trim}]}]
      - name: plan
        logicalType: string
        customProperties: [{property: remedies, value: [{standardise: lower}, {impute: {constant: free}}]}]
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_remedies_are_shown_and_originals_to_who_may_see_them(
    browser: Chrome, tree: RunningTree, key: str, tmp_path: Path, scheme: str
) -> None:
    declared = tmp_path / "declared/contracts/remedied.yaml"
    declared.parent.mkdir(parents=True)
    # A source of its own: others' records would count with its.
    source = f"remedied_{scheme}"
    declared.write_text(REMEDIED.replace("SOURCE", source))
    tree.command("activate", str(tmp_path / "declared"))
    with connect_runtime(tree.data_dir) as runtime:
        runtime.users.create(f"eve {scheme}", PASSWORD, Role.ANALYST)
    headers = {"Authorization": f"Bearer {key}"}
    wait = WebDriverWait(browser, PATIENCE)
    wait.until(
        lambda _: httpx.get(f"{tree.url}/api/v1/contracts/{source}/accounts", headers=headers).status_code == 200
    )
    names = ["  Ann  Lee ", "Bo", "Cy"]
    records = [
        {"stream": "accounts", "op": "upsert", "payload": {"id": f"d{n}", "name": name, "plan": plan}}
        for n, (name, plan) in enumerate(zip(names, ("PRO", None, "pro"), strict=True))
    ]
    answer = httpx.post(f"{tree.url}/api/v1/data/ingest/{source}", json=records, headers=headers)
    assert answer.status_code == 202, answer.text

    def table(b: Chrome) -> WebElement:
        return WebDriverWait(b, PATIENCE).until(lambda b: b.find_element(By.XPATH, "//section[header/h2='Remedies']"))

    dark_or_light(browser, scheme)
    sign_in(browser, tree, f"/quality/{source}", name=f"eve {scheme}")
    wait.until(lambda b: "standardise.trim" in table(b).text and "33.3" in table(b).text)
    assert "not for your role" in table(browser).text
    assert not table(browser).find_elements(By.TAG_NAME, "button")
    browser.delete_all_cookies()
    sign_in(browser, tree, f"/quality/{source}")
    opener = wait.until(
        lambda b: b.find_element(By.CSS_SELECTOR, 'button[aria-label="Originals of name by standardise.trim"]')
    )
    opener.send_keys(Keys.ENTER)
    wait.until(lambda b: f"{source}:d0" in table(b).text)
    shown = table(browser).find_element(By.CSS_SELECTOR, ".remedy-originals").text
    assert '"Ann Lee"' in shown
    assert "Bo" not in shown
    picture(browser, tmp_path / f"remedies-{scheme}.png")
    assert browser.find_element(By.TAG_NAME, "html").get_attribute("data-theme") == scheme


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_was_to_come_once_is_shown_with_who_shares_it(
    browser: Chrome, tree: RunningTree, key: str, tmp_path: Path, scheme: str
) -> None:
    source, headers = f"shared_{scheme}", {"Authorization": f"Bearer {key}"}
    contract = tmp_path / "declared/contracts/shared.yaml"
    contract.parent.mkdir(parents=True)
    wait = WebDriverWait(browser, 2 * PATIENCE)

    def told(path: str) -> dict[str, Any]:
        answer: dict[str, Any] = httpx.get(f"{tree.url}/api/v1/{path}", headers=headers).json().get("data", {})
        return answer

    contract.write_text(accounts_contract(source))
    tree.command("activate", str(tmp_path / "declared"))
    wait.until(lambda _: told(f"contracts/{source}/accounts").get("stream") == "accounts")
    # Two share a plan of twenty.
    payloads = [{"id": f"s{n}", "plan": f"p{max(n, 1)}", "updated_at": "2026-01-10T09:00:00Z"} for n in range(20)]
    answer = httpx.post(
        f"{tree.url}/api/v1/data/ingest/{source}",
        json=[{"stream": "accounts", "op": "upsert", "payload": payload} for payload in payloads],
        headers=headers,
    )
    assert answer.status_code == 202, answer.text
    wait.until(lambda _: told(f"data/status/{source}").get("accepted") == 20)
    declared = yaml.safe_load(contract.read_text()) | {"version": "1.1.0"}
    [plan] = [one for one in declared["schema"][0]["properties"] if one["name"] == "plan"]
    plan["unique"] = True
    contract.write_text(yaml.safe_dump(declared))
    tree.command("activate", str(tmp_path / "declared"))
    # The scheduler looks at what it has not looked at yet within a minute.
    wait.until(lambda _: told(f"data/quality/uniqueness?source={source}").get("total") == 1)
    dark_or_light(browser, scheme)
    sign_in(browser, tree, f"/quality/{source}")
    who = wait.until(lambda b: b.find_element(By.CSS_SELECTOR, f'[aria-label="Who shares plan of {source}.accounts"]'))
    assert "values of all entities 90.0" in who.find_element(By.XPATH, "./ancestor::tr").text.replace("\u2009", " ")
    who.send_keys(Keys.ENTER)
    links = f"//main//li//a[starts-with(., '{source}:s')]"
    wait.until(lambda b: {one.text for one in b.find_elements(By.XPATH, links)} == {f"{source}:s0", f"{source}:s1"})
    history = f'[aria-label="History of plan of {source}.accounts"]'
    browser.find_elements(By.CSS_SELECTOR, history)[-1].send_keys(Keys.ENTER)
    wait.until(lambda b: f"Over time: plan of {source}.accounts" in b.find_element(By.TAG_NAME, "main").text)
    chosen = wait.until(lambda b: b.find_element(By.CSS_SELECTOR, ".quality-dimensions input:checked"))
    assert chosen.get_attribute("value") == "uniqueness"
    browser.save_screenshot(str(tmp_path / f"unique-{scheme}.png"))


def test_systems_that_differ_are_shown_with_who_does(
    browser: Chrome, tree: RunningTree, key: str, tmp_path: Path
) -> None:
    declared = tmp_path / "declared"
    for source in ("crm", "billing"):
        contract = declared / f"contracts/{source}.yaml"
        contract.parent.mkdir(parents=True, exist_ok=True)
        contract.write_text(accounts_contract(source))
    (declared / "agreements").mkdir()
    (declared / "agreements/plans.yaml").write_text(
        "name: plans\nlabel: Plans\nleft: {source: crm, stream: accounts}\nright: {source: billing, stream: accounts}\n"
        "match: {left: key, right: key}\ntruth: right\ncompare: [{left: plan, right: plan}]\n"
    )
    tree.command("activate", str(declared))
    headers = {"Authorization": f"Bearer {key}"}
    wait = WebDriverWait(browser, PATIENCE)

    def told(path: str, name: str, value: object) -> Callable[[Chrome], bool]:
        """Whether the API tells it."""

        def asked(_: Chrome) -> bool:
            answer = httpx.get(f"{tree.url}/api/v1/{path}", headers=headers).json()
            return bool(answer.get("data", {}).get(name) == value)

        return asked

    for source, plan in (("crm", "gold"), ("billing", "silver")):
        # The door learns of the contract when the API does.
        wait.until(told(f"contracts/{source}/accounts", "stream", "accounts"))
        at = "2026-01-10T09:00:00Z"
        plans = {n: plan if n == 7 else "gold" for n in range(20)}
        answer = httpx.post(
            f"{tree.url}/api/v1/data/ingest/{source}",
            json=[
                {"stream": "accounts", "op": "upsert", "payload": {"id": f"k{n}", "plan": plans[n], "updated_at": at}}
                for n in plans
            ],
            headers=headers,
        )
        assert answer.status_code == 202, answer.text
        wait.until(told(f"data/status/{source}", "accepted", 20))
    # The scheduler may have looked before they were there, and looks again a quarter of an hour later.
    tree.command("agreement", "check", "plans")
    sign_in(browser, tree, "/quality")
    shown = wait.until(lambda b: b.find_element(By.CSS_SELECTOR, ".agreements"))
    wait.until(lambda _: "95.0" in shown.text and "76.4" in shown.text)
    shown.find_element(By.TAG_NAME, "button").send_keys(Keys.ENTER)
    wait.until(lambda _: "crm:k7" in shown.text and "gold ≠ silver" in shown.text)
    browser.save_screenshot(str(tmp_path / "agreement.png"))
