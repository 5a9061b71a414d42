/** Single records in quarantine, and orders about many of them. */

import type { QuarantineOutcome, QuarantineRow, Time } from "./types";

export type Verb = "replay" | "release" | "dismiss" | "preview";

/** What was decided about a record. */
export interface QuarantineDecision {
  decision: "replayed" | "released" | "fixed" | "dismissed" | (string & {});
  at: Time;
  by: string;
  reason: string;
  contract_version: number | null;
  released: string[];
}

/** What may be personal of a record. One that is no UTF-8 has its payload as base64. */
export interface QuarantineContent {
  origin: string;
  op: string;
  record_id: string | null;
  key: string | null;
  partition_key: string | null;
  occurred_at: Time | null;
  observed_at: Time;
  payload: string | null;
  payload_base64: string | null;
}

export interface QuarantineRecord extends Omit<QuarantineRow, "state"> {
  state: "quarantined" | "held" | "fixed" | "dismissed";
  decided_at: Time | null;
  /** Where the field at fault may lie in the payload. */
  paths: string[][];
  /** Whom the contract in force names as the stream's owners. */
  owners: string[];
  history: QuarantineDecision[];
  /** Only when it was asked for, by who may read it. */
  content: QuarantineContent | null;
}

/** What a selection of records was. */
export interface QuarantineSelection {
  source?: string;
  stream?: string;
  reason?: string;
  field?: string;
  contract_version?: number;
  rule?: string;
  held_by?: string[];
  load?: string;
  state?: string;
}

/** What is wrong with some of the records that do not pass; `example` is the id of one. */
export interface Failure {
  source: string;
  stream: string;
  reason: string;
  field: string | null;
  rule: string | null;
  message: string;
  count: number;
  example: string;
}

/** A decision about many records, carried out in the background. */
export interface Order extends Omit<QuarantineOutcome, "failures"> {
  failures: Failure[];
  id: string;
  verb: Verb;
  selection: QuarantineSelection;
  source: string | null;
  by: string;
  why: string;
  ordered_at: Time;
  /** How many records were meant then. */
  selected: number;
  state: "waiting" | "running" | "done" | "cancelled" | "failed";
  error: string | null;
  ended_at: Time | null;
}

/** What a decision came to, or the order that it became. */
export interface Decided extends QuarantineOutcome {
  order: Order | null;
}
