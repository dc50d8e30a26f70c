/** Public surface of @walnut/series. What is not named here is private. */
export {};
