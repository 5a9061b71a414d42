/**
 * Pictures of every page, light and dark, wide and narrow, from the mock server:
 *
 *     npm run build && npm run mock &
 *     npm run screenshots -- [--out FOLDER] [--only NAME]
 *
 * On the way it is checked that nothing is logged as an error, no request leaves the origin and nothing is wider than the page.
 */

import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { launch, pause } from "./browser.mjs";

const { values } = parseArgs({
  options: {
    out: { type: "string", default: "screenshots" },
    only: { type: "string" },
    url: { type: "string", default: "http://127.0.0.1:8399" },
  },
});
const { url, only } = values;
const out = resolve(values.out);
const CUSTOMER = "/customers/webshop%3Aacct-4002";

/** name, path, faults, what must be there before the picture, and what is done before it. */
const SCENES = [
  { name: "sign-in", path: "/", signedOut: true, ready: "document.querySelector('form')" },
  { name: "overview", path: "/", ready: "document.querySelector('.movers')" },
  { name: "customers", path: "/customers", ready: "document.querySelector('.customers')" },
  { name: "customer", path: CUSTOMER, ready: "document.querySelectorAll('.chart-canvas canvas').length === 2" },
  { name: "data", path: "/data/oulad", ready: "document.querySelector('.reason-list')" },
  {
    name: "record",
    path: "/data/oulad/records/00000000-0000-4000-8000-000000000000",
    ready: "document.querySelector('.record-content')",
    before: async (page) => {
      await page.evaluate("document.querySelector('.record-content .button').click()");
      await page.until("document.querySelector('.payload mark')");
    },
  },
  {
    name: "quality",
    path: "/quality",
    ready: "document.querySelector('.quality-fields') && document.querySelector('.chart canvas')",
  },
  {
    name: "quality-differing",
    path: "/quality",
    ready: "document.querySelector('.agreements button')",
    before: (page) => page.evaluate("document.querySelector('.agreements button').click()"),
  },
  { name: "journeys-funnel", path: "/journeys/first_work", ready: "document.querySelector('.funnel')" },
  { name: "journeys-retention", path: "/journeys/coming_back", ready: "document.querySelector('.heat')" },
  { name: "journeys-cohorts", path: "/journeys/clicks_since_start", ready: "document.querySelector('.heat')" },
  { name: "journeys-adoption", path: "/journeys/quiz_adoption", ready: "document.querySelector('.adopted')" },
  { name: "x-journeys-empty", path: "/journeys", faults: ["empty"], ready: "document.querySelector('.notice')" },
  {
    name: "x-journeys-error",
    path: "/journeys",
    faults: ["error"],
    ready: "document.querySelector('.notice[data-tone=bad]')",
    expectErrors: true,
  },
  { name: "x-quality-empty", path: "/quality", faults: ["empty"], ready: "document.querySelector('.notice')" },
  {
    name: "x-quality-error",
    path: "/quality",
    faults: ["error"],
    ready: "document.querySelector('.notice[data-tone=bad]')",
    expectErrors: true,
  },
  { name: "x-overview-stale", path: "/", faults: ["stale"], ready: "document.querySelector('.movers')" },
  { name: "x-overview-empty", path: "/", faults: ["empty"], ready: "document.querySelector('.notice')" },
  {
    name: "x-overview-error",
    path: "/",
    faults: ["error", "no_socket"],
    ready: "document.querySelector('.notice')",
    expectErrors: true,
  },
  {
    name: "x-overview-loading",
    path: "/",
    faults: ["slow", "no_socket"],
    ready: "document.querySelector('.skeleton')",
    expectErrors: true,
  },
  { name: "x-overview-no-model", path: "/", faults: ["no_model"], ready: "document.querySelector('.grid')" },
  {
    name: "x-overview-reconnecting",
    path: "/",
    faults: ["no_socket"],
    ready: "document.querySelector('.connection[data-status=reconnecting]') && document.querySelector('.movers')",
    expectErrors: true,
  },
  {
    name: "x-overview-finished",
    path: "/",
    faults: ["finished"],
    ready: "document.querySelector('.replay[data-finished]')",
  },
  { name: "x-customers-empty", path: "/customers?q=zzzz", ready: "document.querySelector('.notice')" },
  {
    name: "x-customers-filtered",
    path: "/customers?band=at_risk&band=critical&sort=-change",
    ready: "document.querySelector('.customers')",
  },
  {
    name: "x-customer-stale",
    path: CUSTOMER,
    faults: ["stale"],
    ready: "document.querySelectorAll('.chart-canvas canvas').length === 2",
  },
  {
    name: "x-customer-wrong-sum",
    path: CUSTOMER,
    faults: ["wrong_sum"],
    ready: "document.querySelector('.waterfall')",
  },
  { name: "x-customer-no-model", path: CUSTOMER, faults: ["no_model"], ready: "document.querySelector('.timeline')" },
  {
    name: "x-customer-missing",
    path: "/customers/oulad%3Anobody",
    ready: "document.querySelector('.notice')",
    expectErrors: true,
  },
  {
    name: "x-customer-past",
    path: `${CUSTOMER}?as_of=2026-01-02T00:00:00Z`,
    ready: "document.querySelector('.waterfall')",
    before: (page) => page.evaluate("document.querySelector('.travel button').click()"),
  },
  { name: "x-customer-hostile", path: CUSTOMER, faults: ["hostile"], ready: "document.querySelector('.waterfall')" },
  {
    name: "x-customers-hostile",
    path: "/customers",
    faults: ["hostile"],
    ready: "document.querySelector('.customers')",
  },
  {
    name: "x-data-unbalanced",
    path: "/data/oulad",
    faults: ["unbalanced"],
    ready: "document.querySelector('.equation[data-balanced=false]')",
  },
  {
    name: "x-data-source",
    path: "/data/webshop",
    ready: "document.querySelector('.reason-list')",
    before: (page) => page.evaluate("document.querySelector('.text-button')?.click()"),
  },
  { name: "x-data-empty", path: "/data", faults: ["empty"], ready: "document.querySelector('.notice')" },
];
const SIZES = [
  { width: 1280, height: 860 },
  { width: 390, height: 844 },
];

async function setFaults(names) {
  await fetch(`${url}/mock/faults?${names.map((name) => `name=${name}`).join("&")}`, { method: "POST" });
}

async function shoot(page, scene, size, scheme) {
  await page.view({ ...size, scheme });
  if (!scene.signedOut) await page.send("Network.setCookie", { name: "mock_session", value: "1", url });
  await page.open(url + scene.path);
  await page.until(scene.ready);
  await pause(400);
  await scene.before?.(page);
  await pause(200);
  const complaints = [];
  const wide = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth");
  if (wide > 0) complaints.push(`${wide} px wider than the page`);
  const clipped = await page.evaluate(
    "[...document.querySelectorAll('.tile.flush > *')].filter(e => e.offsetWidth > e.parentElement.clientWidth).length",
  );
  if (clipped > 0) complaints.push("a table is wider than its tile");
  const away = page.requests.filter((address) => !address.startsWith(url) && !address.startsWith("data:"));
  if (away.length > 0) complaints.push(`left the origin: ${away.join(", ")}`);
  if (!scene.expectErrors && !scene.signedOut) complaints.push(...page.problems);
  writeFileSync(join(out, `${scene.name}-${size.width}-${scheme}.png`), await page.picture());
  return complaints;
}

mkdirSync(out, { recursive: true });
const browser = await launch();
let bad = 0;
try {
  for (const scene of SCENES.filter(({ name }) => !only || name.startsWith(only))) {
    await setFaults(scene.faults ?? []);
    const schemes = scene.name.startsWith("x-") ? ["light"] : ["light", "dark"];
    for (const size of SIZES) {
      for (const scheme of schemes) {
        const page = await browser.page();
        const complaints = await shoot(page, scene, size, scheme).catch((error) => [String(error)]);
        await page.close();
        bad += complaints.length;
        console.log(`${scene.name} ${size.width} ${scheme}: ${complaints.length === 0 ? "ok" : complaints.join("; ")}`);
      }
    }
  }
} finally {
  await setFaults([]);
  await browser.close();
}
process.exitCode = bad === 0 ? 0 : 1;
