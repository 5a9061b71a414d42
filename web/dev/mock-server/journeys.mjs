/** Made-up journeys: one of each kind. */

import { NotFound } from "./answers.mjs";

const DAY = 86_400_000;
const PLAIN = { subject: "customer", events: [], since: null };
const JOURNEYS = [
  {
    ...PLAIN,
    name: "first_work",
    kind: "funnel",
    label: "From reading to handing in",
    description: "How many students open a resource, then take part in the forum, then hand in an assessment.",
    resolution: "day",
    window_seconds: 56 * 86_400,
    order: "loose",
    breakdown: { property: "page", values: ["old", "new"] },
  },
  {
    ...PLAIN,
    name: "coming_back",
    kind: "retention",
    label: "Coming back, week by week",
    description: "How many students are active again so many weeks after their first day.",
    since: "2026-01-02T09:30:00Z",
    every: "week",
    brackets: 16,
    counts: "within",
  },
  {
    ...PLAIN,
    name: "clicks_since_start",
    kind: "cohort",
    label: "Clicks since the first day",
    description: "What students click in each week since their first day, by the month they began in.",
    every: "week",
    brackets: 16,
    period: "month",
    metric: "clicks",
  },
  {
    ...PLAIN,
    name: "quiz_adoption",
    kind: "adoption",
    label: "Adoption of quizzes",
    description: "How many of the active students try a quiz, and how long it takes them to begin.",
    period: "week",
  },
];

const at = (weeks) => new Date(Math.floor(Date.now() / DAY) * DAY - weeks * 7 * DAY).toISOString();

function steps(counts) {
  const labels = ["Opens a resource", "Takes part in the forum", "Hands in an assessment"];
  return counts.map((count, place) => ({
    name: labels[place],
    label: labels[place],
    count,
    of_previous: place ? count / counts[place - 1] : 1,
    of_first: count / counts[0],
    seconds_from_previous: place ? 86_400 * (2 + place * 5) : null,
    seconds_from_first: place ? 86_400 * (2 + place * 8) : null,
  }));
}

/** Rows of a triangle; `cell` gets the share of a bracket and its size. */
function triangle(count, brackets, cell) {
  return Array.from({ length: count }, (_, row) => {
    const age = count - 1 - row;
    const size = 40 + ((row * 37) % 90);
    return {
      begins: at(age),
      size,
      brackets: Array.from({ length: brackets + 1 }, (_, n) =>
        n > age ? null : cell(n === 0 ? 1 : 0.78 * 0.94 ** n + ((row * n) % 5) / 100, size, n < age),
      ),
    };
  });
}

const retained = (share, size, complete) => ({ count: Math.round(share * size), share, complete });
const measured = (share, size, complete) => ({
  total: Math.round(share * size * 31),
  customers: Math.round(share * size),
  average: share * 31,
  complete,
});

const ANSWERS = {
  funnel: () => ({
    steps: steps([1041, 852, 618]),
    conversion: 618 / 1041,
    open: 37,
    crossed: 4,
    variants: [
      { value: "old", steps: steps([500, 390, 270]), conversion: 0.54, difference: null },
      {
        value: "new",
        steps: steps([512, 444, 338]),
        conversion: 0.66,
        difference: { value: 0.12, low: 0.06, high: 0.179, clear: true },
      },
      { value: null, steps: steps([29, 18, 10]), conversion: 10 / 29, difference: null },
    ],
  }),
  retention: () => ({
    cohorts: triangle(14, 16, retained),
    overall: Array.from({ length: 17 }, (_, n) => (n > 13 ? null : retained(n === 0 ? 1 : 0.8 * 0.94 ** n, 600, true))),
  }),
  cohort: () => ({ cohorts: triangle(8, 16, measured) }),
  adoption: () => ({
    periods: Array.from({ length: 26 }, (_, n) => ({
      begins: at(25 - n),
      active: 700 - n * 4,
      users: Math.round((700 - n * 4) * (0.2 + 0.015 * n)),
      share: 0.2 + 0.015 * n,
      complete: n < 25,
    })),
    began: 1041,
    adopted: 733,
    median_days: 17,
    by_week: Array.from({ length: 13 }, (_, n) => (n > 10 ? null : 0.08 + 0.6 * (1 - 0.75 ** n))),
  }),
};

export function journeys(faults) {
  return { data: { journeys: faults.has("empty") ? [] : JOURNEYS, unreadable: [] } };
}

export function journey(name) {
  const found = JOURNEYS.find((one) => one.name === name);
  if (!found) throw new NotFound(`There is no journey '${name}'.`);
  const day = (at) => at.slice(0, 10);
  return {
    data: {
      journey: found,
      from: day(at(26)),
      to: day(at(0)),
      segment: null,
      as_of: new Date().toISOString(),
      computed_at: new Date().toISOString(),
      ...ANSWERS[found.kind](),
    },
  };
}
