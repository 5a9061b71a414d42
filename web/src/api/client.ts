/** Calls of the public API: the envelope in, problems as errors. */

import type { Envelope, Problem } from "./types";

const BASE = "/api/v1";

/** The server answered that it will not, and why. */
export class ProblemError extends Error {
  readonly problem: Problem;
  /** Seconds from `Retry-After`, null when it said nothing. */
  readonly retryAfter: number | null;

  constructor(problem: Problem, retryAfter: number | null) {
    super(problem.detail || problem.title);
    this.name = "ProblemError";
    this.problem = problem;
    this.retryAfter = retryAfter;
  }

  is(kind: string): boolean {
    return this.problem.type === `/problems/${kind}`;
  }
}

/** Why something failed, in words. */
export function said(failure: unknown): string {
  if (failure instanceof ProblemError) return failure.problem.detail;
  return failure instanceof Error ? failure.message : String(failure);
}

/** No answer, or one that is not of this API. */
export class UnreachableError extends Error {
  override readonly name = "UnreachableError";
}

export interface Call {
  method?: "GET" | "POST";
  body?: unknown;
  csrf?: string | undefined;
  signal?: AbortSignal | undefined;
}

/** The answer's envelope, null for 204. Raises ProblemError, UnreachableError, or AbortError of the signal. */
export async function call<T>(
  path: string,
  { method = "GET", body, csrf, signal }: Call = {},
): Promise<Envelope<T> | null> {
  const headers: Record<string, string> = { Accept: "application/json, application/problem+json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (csrf !== undefined) headers["X-CSRF-Token"] = csrf;
  const init: RequestInit = { method, headers, credentials: "same-origin", signal: signal ?? null };
  if (body !== undefined) init.body = JSON.stringify(body);

  let response: Response;
  try {
    response = await fetch(BASE + path, init);
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new UnreachableError("Mainstem did not answer.");
  }
  if (response.ok) return response.status === 204 ? null : await readEnvelope<T>(response, signal);
  throw new ProblemError(await readProblem(response), retryAfter(response));
}

/** The envelope of an answer that always has one. */
export async function get<T>(path: string, signal?: AbortSignal): Promise<Envelope<T>> {
  const envelope = await call<T>(path, { signal });
  if (envelope === null) throw new UnreachableError("Mainstem answered without content.");
  return envelope;
}

async function readEnvelope<T>(response: Response, signal: AbortSignal | undefined): Promise<Envelope<T>> {
  try {
    return (await response.json()) as Envelope<T>;
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new UnreachableError("The answer was cut short or is not JSON.");
  }
}

async function readProblem(response: Response): Promise<Problem> {
  const fallback: Problem = {
    type: "about:blank",
    title: response.statusText || `Status ${response.status}`,
    status: response.status,
    detail: `The server answered with status ${response.status}.`,
  };
  if (!response.headers.get("Content-Type")?.includes("json")) return fallback;
  try {
    return { ...fallback, ...((await response.json()) as Partial<Problem>) };
  } catch {
    return fallback;
  }
}

function retryAfter(response: Response): number | null {
  const seconds = Number(response.headers.get("Retry-After") ?? Number.NaN);
  return Number.isFinite(seconds) ? seconds : null;
}

/** A query string of what is set, "" when nothing is; lists repeat their name. */
export function query(parameters: Record<string, string | number | readonly string[] | null | undefined>): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value === null || value === undefined || value === "") continue;
    for (const item of Array.isArray(value) ? value : [value]) search.append(name, String(item));
  }
  const text = search.toString();
  return text === "" ? "" : `?${text}`;
}
