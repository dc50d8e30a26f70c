/**
 * The API as an OpenAPI 3.1 document, made from the table of routes and the operations. Pure.
 *
 * A route without an operation is in the document too, with its path and its errors: nothing that can be called is
 * hidden. A test sees to it that there is none.
 */
import { z } from "zod";
import { SERVER_ERROR_STATUS, type ServerErrorCode } from "../../errors.ts";
import type { Route } from "../router.ts";
import type { Operation, OperationContent, OperationParameter, Operations } from "./operation.ts";
import { DATA_OPERATIONS } from "./data-operations.ts";
import { QUERY_OPERATIONS } from "./query-operations.ts";
import { SERVER_OPERATIONS } from "./server-operations.ts";
import { WAL_OPERATIONS } from "./wal-operations.ts";
import { WRITE_OPERATIONS } from "./write-operations.ts";

/** Every operation, by the name of its route. */
export const OPERATIONS: Operations = {
  ...WRITE_OPERATIONS,
  ...QUERY_OPERATIONS,
  ...WAL_OPERATIONS,
  ...DATA_OPERATIONS,
  ...SERVER_OPERATIONS,
};

/** What stands where nobody has described a route. */
export const UNDESCRIBED: Operation = {
  tag: "server",
  summary: "not described",
  answers: [{ status: 200, description: "not described" }],
};

/** Body of every error. */
export const ERROR_ANSWER: z.ZodType = z.strictObject({
  success: z.literal(false),
  error: z.string(),
  message: z.string().meta({ description: "the same sentence as error" }),
  code: z.string().meta({ description: "stable; programs decide on it" }),
  details: z.record(z.string(), z.union([z.string(), z.number()])),
  requestId: z.string(),
});

const DESCRIPTION =
  "Errors are told apart by `code`, which is also in the header `X-Walnut-Error`. 429 and 503 have `Retry-After`. " +
  "`HEAD` is answered where `GET` is. Requests that are too slow or whose head is too large are answered 408 and 431 " +
  "without a body.";

/** The document. `routes` are all of the server. */
export function openApiDocument(routes: readonly Route[], version: string): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes.filter(isPartOfTheApi)) {
    const entry = (paths[route.path] ??= {});
    entry[route.method.toLowerCase()] = describe(route, OPERATIONS[route.name] ?? UNDESCRIBED);
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Walnut",
      version,
      description: DESCRIPTION,
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    paths,
    components: {
      schemas: { Error: schemaOf(ERROR_ANSWER) },
      securitySchemes: {
        bearer: { type: "http", scheme: "bearer" },
        basic: { type: "http", scheme: "basic", description: "the password is the token" },
        key: { type: "apiKey", in: "header", name: "x-api-key" },
        parameter: { type: "apiKey", in: "query", name: "p", description: "InfluxDB 1.x" },
      },
    },
  };
}

/** The page of the console is; the files that it loads, whose names change with their content, are not. */
function isPartOfTheApi({ name, path }: Route): boolean {
  return name !== "console" || path === "/";
}

function describe(route: Route, operation: Operation): object {
  const pathNames = [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name = ""]) => name);
  const parameters = [
    ...pathNames.map((name) => ({
      name,
      in: "path",
      required: true,
      schema: { type: "string", minLength: 1 },
    })),
    ...(operation.parameters ?? []).map(parameterOf),
  ];
  return {
    operationId:
      `${route.method.toLowerCase()}${route.path.replaceAll(/[^A-Za-z0-9]+/g, "_")}`.replace(
        /_$/,
        "",
      ),
    "x-walnut-route": route.name,
    "x-walnut-right": route.access,
    tags: [operation.tag],
    summary: operation.summary,
    ...(operation.description === undefined ? {} : { description: operation.description }),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(operation.body === undefined
      ? {}
      : { requestBody: { required: true, content: contentOf(operation.body) } }),
    responses: { ...answersOf(operation), ...errorsOf(route, operation) },
    security:
      route.access === "public"
        ? []
        : [{ bearer: [] }, { basic: [] }, { key: [] }, { parameter: [] }],
  };
}

function parameterOf({
  name,
  in: place,
  description,
  schema,
  isRequired,
}: OperationParameter): object {
  return { name, in: place, description, required: isRequired === true, schema: schemaOf(schema) };
}

function contentOf(contents: readonly OperationContent[]): object {
  return Object.fromEntries(
    contents.map(({ type, schema, example }) => [
      type,
      {
        ...(schema === undefined ? {} : { schema: schemaOf(schema) }),
        ...(example === undefined ? {} : { example }),
      },
    ]),
  );
}

function answersOf(operation: Operation): Record<string, object> {
  return Object.fromEntries(
    operation.answers.map(({ status, description, contents }) => [
      String(status),
      { description, ...(contents === undefined ? {} : { content: contentOf(contents) }) },
    ]),
  );
}

/** Errors of one status are one answer, which lists their codes. */
function errorsOf(route: Route, operation: Operation): Record<string, object> {
  const answered = new Set(operation.answers.map(({ status }) => status));
  const byStatus = new Map<number, ServerErrorCode[]>();
  for (const code of new Set([...commonErrors(route), ...(operation.errors ?? [])])) {
    const status = SERVER_ERROR_STATUS[code];
    if (answered.has(status)) continue;
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return Object.fromEntries(
    [...byStatus].map(([status, codes]) => [
      String(status),
      {
        description: codes.toSorted().join(", "),
        content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } },
      },
    ]),
  );
}

/** What the dispatcher can answer before the route is asked. */
function commonErrors({ access, availability }: Route): readonly ServerErrorCode[] {
  const codes: ServerErrorCode[] = ["SERVER_INVALID_REQUEST", "SERVER_INTERNAL"];
  if (availability === "ready") codes.push("SERVER_NOT_READY");
  if (access !== "public") codes.push("SERVER_UNAUTHORIZED", "SERVER_FORBIDDEN");
  if (access === "read" || access === "write") {
    codes.push("SERVER_CLIENT_OVER_LIMIT", "SERVER_OVERLOADED");
  }
  return codes;
}

function schemaOf(schema: z.ZodType): object {
  const { $schema: _, ...described } = z.toJSONSchema(schema, { io: "input" });
  return described;
}
