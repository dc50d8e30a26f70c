/** Public surface of @walnut/series. What is not named here is private. */
export { MAX_VALUE_BYTES_V1 } from "./layout-v1.ts";
