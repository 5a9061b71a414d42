/**
 * The built dashboard in a real browser against the mock server: what unit tests cannot see.
 *
 *     npm run build && npm run mock & npm run verify
 */

import { parseArgs } from "node:util";
import { launch, pause } from "./browser.mjs";

const { values } = parseArgs({ options: { url: { type: "string", default: "http://127.0.0.1:8399" } } });
const { url } = values;
const text = (selector) => `document.querySelector(${JSON.stringify(selector)})?.textContent`;

async function faults(...names) {
  await fetch(`${url}/mock/faults?${names.map((name) => `name=${name}`).join("&")}`, { method: "POST" });
}

async function visit(browser, path, { signedIn = true, scheme = "light" } = {}) {
  const page = await browser.page();
  await page.view({ width: 1280, height: 900, scheme });
  if (signedIn) await page.send("Network.setCookie", { name: "mock_session", value: "1", url });
  await page.open(url + path);
  return page;
}

function expect(condition, message) {
  if (!condition) throw new Error(message);
}

const CHECKS = {
  async "sign-in keeps the address and refuses a wrong password"(browser) {
    const page = await visit(browser, "/customers?band=at_risk", { signedIn: false });
    await page.until("document.activeElement?.name === 'name'");
    const fill = (password) =>
      page.evaluate(
        `(() => { const f = document.querySelector('form'); f.name.value = 'demo'; f.querySelector('[name=name]').value = 'demo'; f.querySelector('[name=password]').value = '${password}'; f.requestSubmit(); })()`,
      );
    await fill("wrong");
    await page.until("document.querySelector('[role=alert]')");
    await fill("demo");
    await page.until("document.querySelector('.customers tbody tr')");
    expect(
      (await page.evaluate("location.pathname + location.search")) === "/customers?band=at_risk",
      "the address was lost",
    );
    expect(
      await page.evaluate(
        "[...document.querySelectorAll('.customers .c-band .badge')].every(b => b.textContent === 'At risk')",
      ),
      "the filter was lost",
    );
    await page.evaluate("document.querySelector('[aria-label=\"Sign out\"]').click()");
    await page.until("document.querySelector('.sign-in form')");
    await page.close();
  },

  async "the first charts come (figures; what may be sent is kept by check-budget.mjs)"(browser) {
    for (const [path, chart] of [
      ["/", ".histogram-bars i"],
      ["/customers/webshop%3Aacct-4002", ".bar-points"],
      ["/customers/webshop%3Aacct-4002", ".chart-canvas canvas"],
    ]) {
      const page = await visit(browser, "/nowhere");
      await page.until("document.querySelector('.notice')");
      await page.send("Network.clearBrowserCache");
      page.bytes = { files: 0, answers: 0 };
      await page.send("Page.addScriptToEvaluateOnNewDocument", {
        source: `new MutationObserver((_, o) => { if (document.querySelector('${chart}')) { requestAnimationFrame(() => { window.__chart ??= performance.now(); }); o.disconnect(); } }).observe(document, { childList: true, subtree: true });`,
      });
      await page.open(url + path);
      await page.until("window.__chart");
      const ms = await page.evaluate("window.__chart");
      await pause(1500);
      const kib = (bytes) => `${(bytes / 1024).toFixed(0)} KiB`;
      const { files, answers } = page.bytes;
      console.log(`    ${path} ${chart}: ${Math.round(ms)} ms; ${kib(files)} of files, ${kib(answers)} of answers`);
      await page.close();
    }
  },

  async "figures move without a reload, and go on after a lost connection"(browser) {
    await faults("drop");
    const page = await visit(browser, "/");
    await page.until("document.querySelector('.connection[data-status=live]')");
    const received = () => page.evaluate(text("[data-testid=throughput]"));
    const before = await received();
    await page.until(`${text("[data-testid=throughput]")} !== ${JSON.stringify(before)}`, 6);
    await page.until("document.querySelector('.connection[data-status=reconnecting]')", 12);
    await page.until("document.querySelector('.connection[data-status=live]')", 12);
    const again = await received();
    await page.until(`${text("[data-testid=throughput]")} !== ${JSON.stringify(again)}`, 6);
    await page.close();
    await faults();
  },

  async "an event of a customer refreshes its page"(browser) {
    const page = await visit(browser, "/customers/webshop%3Aacct-4002");
    await page.until("document.querySelector('.timeline')");
    const count = () => page.requests.filter((address) => address.includes("/customer-health/")).length;
    const before = count();
    await pause(7000);
    expect(count() > before, "nothing was fetched again");
    expect(count() < before + 11, `fetched ${count() - before} times in 7 s`);
    await page.close();
  },

  async "the customers can be walked with the keyboard"(browser) {
    const page = await visit(browser, "/customers");
    await page.until("document.querySelector('.customers tbody tr')");
    await page.key("/", "Slash", "/");
    expect(
      await page.evaluate("document.activeElement.type === 'search' && document.activeElement.value === ''"),
      "'/' did not reach the search",
    );
    await page.evaluate("document.querySelector('.row-link').focus()");
    await page.key("ArrowDown");
    await page.key("j", "KeyJ", "j");
    const name = await page.evaluate("[...document.querySelectorAll('.row-link')].indexOf(document.activeElement)");
    expect(name === 2, `the focus is on row ${name}`);
    const label = await page.evaluate("document.activeElement.textContent");
    await page.key("Enter", "Enter", "\r");
    await page.until("document.querySelector('.score-big')");
    await page.until(`${text("h1")} === ${JSON.stringify(label)} && document.activeElement?.tagName === 'H1'`);
    await page.close();
  },

  async "every control has a name, and ids are unique"(browser) {
    for (const path of ["/", "/customers", "/customers/webshop%3Aacct-4002", "/data/oulad"]) {
      const page = await visit(browser, path);
      await page.until("document.querySelector('.tile')");
      await pause(800);
      const nameless = await page.evaluate(
        `[...document.querySelectorAll('a, button, input, select, [role=img], nav, section')].filter(e => !e.closest('[aria-hidden=true]') && !(e.getAttribute('aria-label') || e.getAttribute('aria-labelledby') || e.textContent.trim() || e.labels?.length)).map(e => e.outerHTML.slice(0, 120))`,
      );
      expect(nameless.length === 0, `${path}: without a name: ${nameless.join("\n")}`);
      const twice = await page.evaluate(
        "(() => { const ids = [...document.querySelectorAll('[id]')].map(e => e.id); return ids.filter((id, i) => ids.indexOf(id) !== i); })()",
      );
      expect(twice.length === 0, `${path}: ids twice: ${twice}`);
      const headings = await page.evaluate("document.querySelectorAll('h1').length");
      expect(headings === 1, `${path}: ${headings} main headings`);
      await page.close();
    }
  },

  async "the points of a chart can be read with the arrow keys"(browser) {
    const page = await visit(browser, "/customers/webshop%3Aacct-4002");
    await page.until("document.querySelectorAll('.chart-canvas canvas').length === 2");
    await page.evaluate("document.querySelector('.chart').focus()");
    await page.key("End");
    await page.until("document.querySelector('.chart-reading')");
    const last = await page.evaluate(text(".chart-reading"));
    await page.key("ArrowLeft");
    await page.until(`${text(".chart-reading")} !== ${JSON.stringify(last)}`);
    await page.key("Escape");
    await page.until("!document.querySelector('.chart-reading')");
    await page.close();
  },

  async "the chosen colours outlive a reload"(browser) {
    const page = await visit(browser, "/", { scheme: "dark" });
    await page.until(
      "document.documentElement.dataset.theme === 'dark' && document.querySelector('.side-foot button')",
    );
    await page.evaluate("document.querySelector('.side-foot button').click()");
    await page.until("document.documentElement.dataset.theme === 'light'");
    await page.open(`${url}/data`);
    await page.until("document.documentElement.dataset.theme === 'light'");
    await page.close();
  },

  async "an ended session leads to the sign-in, and says why"(browser) {
    const page = await visit(browser, "/customers");
    await page.until("document.querySelector('.customers')");
    await faults("expired");
    await page.until("document.querySelector('.sign-in form')", 25);
    expect((await page.evaluate("document.body.textContent")).includes("session has ended"), "no reason was given");
    await page.close();
    await faults();
  },

  async "a metric, a timeframe and an instant can be chosen"(browser) {
    const page = await visit(browser, "/customers/webshop%3Aacct-4002");
    await page.until("document.querySelectorAll('.chart-canvas canvas').length === 2");
    await page.evaluate("document.querySelector('.segmented input[value=\"7d\"]').click()");
    await page.until("document.querySelector('.busy-dim[aria-busy=false]')");
    expect(
      page.requests.some((address) => address.includes("/usage-trends/7d?metric=events")),
      "the timeframe was not asked for",
    );
    await page.evaluate("document.querySelector('.travel button').click()");
    await page.until("document.activeElement?.name === 'as_of'");
    await page.evaluate(
      "document.activeElement.value = '2026-01-02T03:04'; document.activeElement.form.requestSubmit()",
    );
    await page.until("location.search === '?as_of=2026-01-02T03%3A04%3A00Z' && document.querySelector('.banner')");
    await page.close();
  },
};

const browser = await launch();
let failed = 0;
for (const [name, check] of Object.entries(CHECKS)) {
  await faults();
  try {
    await check(browser);
    console.log(`ok    ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED ${name}\n    ${error.message}`);
  }
}
await browser.close();
process.exitCode = failed === 0 ? 0 : 1;
