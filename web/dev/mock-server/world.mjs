/** A made-up installation: customers, their inputs, scores and histories, and ledgers that add up. */

import { generator } from "./random.mjs";

export const DAY = 86_400_000;
export const BANDS = [
  { band: "critical", label: "Critical", low: 0, high: 30 },
  { band: "at_risk", label: "At risk", low: 30, high: 50 },
  { band: "watch", label: "Watch", low: 50, high: 70 },
  { band: "healthy", label: "Healthy", low: 70, high: 100 },
];
export const MODEL = { name: "engagement", label: "Engagement", version: 3, bands: BANDS };

const COMPANIES = (
  "Northwind,Alder & Finch,Bluepeak,Carrow,Dunmore,Eastgate,Fennel Labs,Granite Works,Harbour Nine,Isolde,Juniper,Kestrel," +
  "Larkfield,Meridian,Nordhavn,Oakline,Pinnacle,Quillon,Riverbend,Saltmarsh,Tannery Row,Umber,Verity,Westering,Yarrow,Zephyr"
).split(",");
const KINDS = ["Logistics", "Software", "Foods", "Health", "Energy", "Studio", "Retail", "Systems"];
const REGIONS = ["Scotland", "Wales", "North West", "London", "East Anglia", "South East"];
const ACTIVITIES = ["resource", "oucontent", "forumng", "quiz", "homepage", "subpage", "url", "oucollaborate"];

const COMPONENTS = [
  { component: "recency", label: "Recency", weight: 25, unit: "days since last use" },
  { component: "frequency", label: "Frequency", weight: 25, unit: "active days of 28" },
  { component: "breadth", label: "Breadth", weight: 15, unit: "kinds of activity in 28 days" },
  { component: "trend", label: "Trend", weight: 20, unit: "% against the 28 days before" },
  { component: "milestones", label: "Milestones", weight: 15, unit: "of 4 assessments handed in" },
];

export function bandOf(score) {
  return (BANDS.find(({ low, high }) => score >= low && score < high) ?? BANDS.at(-1)).band;
}

export function iso(ms) {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");
}

const round = (value) => Math.round(value * 100) / 100;

function customer(index, random) {
  const named = index % 3 === 2;
  const module = random.pick(["AAA_2013J", "BBB_2013J", "BBB_2014B", "CCC_2014J"]);
  const value = named ? `acct-${4000 + index}` : `${module}_${random.whole(11000, 690000)}`;
  const source = named ? "webshop" : "oulad";
  return {
    index,
    source,
    id: `${source}:${value}`,
    ref: [8, 4, 4, 4, 12]
      .map((n) => Array.from({ length: n }, () => random.whole(0, 15).toString(16)).join(""))
      .join("-"),
    name: named ? `${COMPANIES[index % COMPANIES.length]} ${random.pick(KINDS)}` : null,
    segment: named ? random.pick(["Enterprise", "Mid-market", "Starter"]) : module.replace("_", " "),
    plan: named ? random.pick(["Pro", "Business", "Free"]) : null,
    region: random.pick(REGIONS),
    engagement: Math.max(0.03, Math.min(0.98, 0.62 + 0.26 * random.normal())),
    drift: 0.004 * random.normal(),
    startedDaysAgo: random.whole(120, 420),
    churnedDaysAgo: random.next() < 0.04 ? random.whole(1, 20) : null,
    revision: 0,
  };
}

/** Parts of the weights reached, from one hidden number per customer and day, so that histories hang together. */
function inputsAt(c, daysAgo) {
  const random = generator(c.index * 7919 + Math.floor(daysAgo) * 31 + 17);
  const level = Math.max(0.02, Math.min(1, c.engagement - c.drift * daysAgo * 4 + 0.015 * random.normal()));
  const days = Math.max(0, Math.round((1 - level) ** 2 * 30));
  const active = Math.round(level * 24);
  const breadth = Math.max(0, Math.min(8, Math.round(level * 8.4)));
  const trend = Math.round((c.drift * 2600 + 6 * random.normal()) * 10) / 10;
  const milestones = Math.min(4, Math.round(level * 4.4));
  return [
    { value: days, part: Math.max(0, 1 - days / 21) },
    { value: active, part: Math.min(1, active / 20) },
    { value: breadth, part: breadth / 8 },
    { value: trend, part: Math.max(0, Math.min(1, 0.6 + trend / 60)) },
    { value: milestones, part: milestones / 4 },
  ];
}

const REASONS = [
  (v) => (v === 0 ? "Used the product today." : `Last used the product ${v} ${v === 1 ? "day" : "days"} ago.`),
  (v) => `Active on ${v} of the last 28 days.`,
  (v) => `Used ${v} of 8 kinds of activity in the last 28 days.`,
  (v) =>
    Math.abs(v) < 3
      ? "Usage is about what it was."
      : `Usage is ${Math.abs(v)} % ${v > 0 ? "above" : "below"} that of the 28 days before.`,
  (v) => `Handed in ${v} of 4 assessments due so far.`,
];

export function contributionsAt(c, daysAgo, stale) {
  return inputsAt(c, daysAgo).map(({ value, part }, i) => {
    const { component, label, weight, unit } = COMPONENTS[i];
    const late = stale && i === 4;
    return {
      component,
      label,
      points: round(part * weight),
      weight,
      reason: late ? `${REASONS[i](value)} The input is stale, so it stands still.` : REASONS[i](value),
      input: {
        value,
        unit,
        age_seconds: late ? 187_000 : 240 + c.index * 13,
        grade: late ? "stale" : "fresh",
        left_out: 0,
      },
    };
  });
}

export function scoreAt(c, daysAgo) {
  return round(
    inputsAt(c, daysAgo).reduce((sum, { part }, i) => sum + Math.round(part * COMPONENTS[i].weight * 100), 0) / 100,
  );
}

export function topReason(c) {
  const parts = inputsAt(c, 0);
  const lost = parts.map(({ part }, i) => (1 - part) * COMPONENTS[i].weight);
  const worst = lost.indexOf(Math.max(...lost));
  return REASONS[worst](parts[worst].value);
}

export function moveReason(c, change) {
  if (Math.abs(c.drift) > 0.004) return REASONS[3](inputsAt(c, 0)[3].value);
  return `${change > 0 ? "Frequency rose" : "Frequency fell"}: ${REASONS[1](inputsAt(c, 0)[1].value).toLowerCase()}`;
}

export function lastActivityDays(c) {
  return inputsAt(c, 0)[0].value + (c.index % 10) / 12;
}

/** Events of one day of one customer. */
export function eventsOf(c, daysAgo) {
  const random = generator(c.index * 104729 + daysAgo * 7 + 3);
  const level = inputsAt(c, daysAgo)[1].part;
  if (random.next() > level * 1.1) return [];
  return Array.from({ length: random.whole(1, 7) }, () => ({
    activity: random.pick(ACTIVITIES),
    clicks: random.whole(1, 24),
  }));
}

export function createWorld() {
  const random = generator(20260115);
  const customers = Array.from({ length: 383 }, (_, index) => customer(index, random));
  return { customers, random, started: Date.now() };
}
