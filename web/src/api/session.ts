/** Who is signed in. The cookie is out of reach on purpose; this holds only what the server told about it. */

import { createStore } from "../data/store";
import { call, ProblemError } from "./client";
import type { Me } from "./types";

export type Session =
  | { status: "unknown" }
  | { status: "unreachable"; message: string }
  | { status: "signed-out"; expired: boolean }
  | { status: "signed-in"; me: Me };

export const session = createStore<Session>({ status: "unknown" });

/** Ask the server who we are. */
export async function restore(): Promise<void> {
  try {
    const envelope = await call<Me>("/auth/me");
    session.set(envelope ? { status: "signed-in", me: envelope.data } : { status: "signed-out", expired: false });
  } catch (error) {
    if (error instanceof ProblemError && error.problem.status === 401) {
      session.set({ status: "signed-out", expired: false });
    } else {
      session.set({ status: "unreachable", message: error instanceof Error ? error.message : String(error) });
    }
  }
}

/** Raises ProblemError when name and password do not fit. */
export async function signIn(name: string, password: string): Promise<void> {
  const envelope = await call<Me>("/auth/sign-in", { method: "POST", body: { name, password } });
  if (envelope) session.set({ status: "signed-in", me: envelope.data });
}

export async function signOut(): Promise<void> {
  const current = session.get();
  if (current.status !== "signed-in") return;
  try {
    await call("/auth/sign-out", { method: "POST", csrf: current.me.csrf });
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    if (error.is("csrf")) {
      // The token is another session's by now, for instance of another tab: take the new one and ask again.
      const renewed = await call<Me>("/auth/me");
      if (renewed) await call("/auth/sign-out", { method: "POST", csrf: renewed.data.csrf });
    } else if (error.problem.status !== 401) {
      throw error;
    }
  }
  session.set({ status: "signed-out", expired: false });
}

/** The server no longer knows us. */
export function expire(): void {
  if (session.get().status === "signed-in") session.set({ status: "signed-out", expired: true });
}
