/** What a grade is called, and what it means. */

import type { Grade } from "../api/types";

export type GradeLook = { label: string; tone: "good" | "warn" | "bad" | "neutral"; help: string };

const LOOKS: Record<string, GradeLook> = {
  fresh: { label: "Fresh", tone: "good", help: "every input is complete and within its freshness objective" },
  partial: { label: "Partial", tone: "warn", help: "some input is missing" },
  stale: { label: "Stale", tone: "bad", help: "an input is past its freshness objective" },
  historical: { label: "Historical", tone: "neutral", help: "a load of history, not a live source" },
  none: { label: "No input", tone: "neutral", help: "there is nothing to grade yet" },
};

export function gradeLook(grade: Grade): GradeLook {
  return LOOKS[grade] ?? { label: grade.replaceAll("_", " "), tone: "neutral", help: "graded by the server" };
}
