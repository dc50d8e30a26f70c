/** Categories that a spool has unless it is told otherwise: those of the agents that it takes the place of. */

/** Names of the usual categories. */
export const DEFAULT_CATEGORIES: readonly string[] = [
  "custom_object",
  "dialtesting",
  "dynamic_dw",
  "fc",
  "keyevent",
  "logging",
  "metric",
  "network",
  "object",
  "profiling",
  "rum",
  "security",
  "tracing",
];

const NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/i;

/** True for names that a category can have: they are names of directories. */
export function isCategoryName(name: string): boolean {
  return NAME.test(name);
}
