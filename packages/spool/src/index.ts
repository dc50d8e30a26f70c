/** Public surface of @walnut/spool. What is not named here is private. */
export { DEFAULT_CATEGORIES } from "./categories.ts";
