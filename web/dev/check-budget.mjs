/** What a first visit may cost over the line: everything of the first page, and of the heaviest one, in gzip. */

import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";

const BUDGET_KIB = 300;
const STATIC = resolve(import.meta.dirname, "../../src/mainstem/api/static");
const assets = join(STATIC, "assets");

const sizes = new Map(
  readdirSync(assets)
    .filter((name) => !/\.(gz|br)$/.test(name))
    .map((name) => {
      const packed = readdirSync(assets).includes(`${name}.gz`) ? `${name}.gz` : name;
      return [name, statSync(join(assets, packed)).size];
    }),
);
const page = readFileSync(join(STATIC, "index.html"), "utf8");
const size = (test) => [...sizes].filter(([name]) => test(name)).reduce((sum, [, bytes]) => sum + bytes, 0);

const font = (name) => /^inter-latin-wght/.test(name);
const first = statSync(join(STATIC, "index.html.gz")).size + size((name) => page.includes(name) || font(name));
// Properties come when somebody opens an event.
const rest = size(
  (name) =>
    name.endsWith(".js") && !page.includes(name) && !/^(Customers|Data|Journeys|Quality|Record|Properties)-/.test(name),
);

const visits = { overview: first, "customer page, opened directly": first + rest };
for (const [name, bytes] of Object.entries(visits)) {
  const kib = bytes / 1024;
  console.log(`${name}: ${kib.toFixed(1)} KiB of ${BUDGET_KIB}`);
  if (kib > BUDGET_KIB) process.exitCode = 1;
}
