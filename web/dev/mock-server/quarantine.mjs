/** Single records in quarantine, and an order that goes on. */

import { NotFound } from "./answers.mjs";

const SOURCES = ["oulad", "webshop", "helpdesk"];
const PAYLOAD =
  '{"customer_id":"AAA_2014J_1576513","event":"forumng","sum_click":"3","date":"2026-01-14","context":{"site":[1,2]}}';
const began = Date.now();

function rowsOf(answers, source) {
  return answers.quarantine(new URLSearchParams({ source })).data.rows;
}

export function records(answers, search) {
  const names = ["stream", "reason", "field", "state"];
  const asked = names.filter((name) => search.has(name));
  const rows = rowsOf(answers, search.get("source"));
  return { data: rows.filter((row) => asked.every((name) => row[name] === search.get(name))) };
}

export function record(answers, id, search) {
  const row = SOURCES.flatMap((source) => rowsOf(answers, source)).find((one) => one.id === id);
  if (!row) throw new NotFound(`No record ${id} is in quarantine.`);
  const content = {
    origin: "api",
    op: "event",
    record_id: null,
    key: null,
    partition_key: "AAA_2014J_1576513",
    occurred_at: null,
    observed_at: row.received_at,
    payload: PAYLOAD,
    payload_base64: null,
  };
  const history = [
    {
      decision: "dismissed",
      at: row.received_at,
      by: "user:ann",
      reason: "a test",
      contract_version: null,
      released: [],
    },
  ];
  const paths = row.field === null ? [] : [[row.field]];
  return { data: { ...row, decided_at: null, paths, history, content: search.has("reveal") ? content : null } };
}

/** Of a source that has a cause of many records: half a minute from its begin to its end, again and again. */
export function orders(answers, search) {
  if (answers.faults.has("empty") || search.get("source") !== "oulad") return { data: [] };
  const share = ((Date.now() - began) % 30_000) / 30_000;
  const order = {
    id: "7b1c9e62-0c55-4d2a-9a52-8f2f0f4c1d11",
    verb: "replay",
    selection: { source: "oulad", stream: "assessments", reason: "required_missing" },
    source: "oulad",
    by: "user:ann",
    why: "",
    ordered_at: new Date(began).toISOString(),
    selected: 120_000,
    state: "running",
    matched: Math.round(120_000 * share),
    passing: Math.round(119_000 * share),
    decided: Math.round(119_000 * share),
    underway: 0,
    settled: 0,
    failing: Math.round(1_000 * share),
    failures: [],
    error: null,
    ended_at: null,
  };
  return { data: [order] };
}
