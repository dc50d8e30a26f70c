/**
 * The workers of a server as one of them sees the others: ask all of them something, and get an answer or a
 * clear word for each.
 *
 *     const LOG_SIZE: Question<{ unit: string }, number> = { name: "log-size" };
 *     group.answer(LOG_SIZE, ({ unit }) => sizeIn(unit));             // every worker, once, at start
 *     const answers = await group.askAll(LOG_SIZE, { unit: "MiB" });  // whoever got the request
 *
 * Inputs and answers are plain data that JSON can carry. A worker that is not there or fails is part of the
 * result, never left out. With one worker this is a function call.
 */
import { ServerError } from "../errors.ts";

/** Something that workers can be asked. The types are those of both sides; every worker is of one version. */
export interface Question<Input, Answer> {
  /** Letters, digits and dashes. */
  readonly name: string;
  /** Never there; carries the types. */
  readonly types?: (input: Input) => Answer;
}

/** What came of asking one worker. */
export type WorkerAnswer<Answer> =
  | { readonly worker: number; readonly kind: "answered"; readonly answer: Answer }
  | { readonly worker: number; readonly kind: "failed"; readonly error: ServerError };

/** How workers are asked. */
export interface AskOptions {
  /** Longest time to wait for a worker, in milliseconds. Default 10,000. */
  readonly timeoutMs?: number;
}

/** All workers of a server, this one included. Workers are numbered from 1. */
export interface WorkerGroup {
  /** Number of this worker. */
  readonly worker: number;
  /** How many workers the server has. */
  readonly workers: number;
  /** Says how this worker answers a question. Once per question, before anybody asks. */
  answer<Input, Answer>(
    question: Question<Input, Answer>,
    give: (input: Input) => Answer | Promise<Answer>,
  ): void;
  /** Asks every worker at the same time. The answers are in the order of the workers; never rejects. */
  askAll<Input, Answer>(
    question: Question<Input, Answer>,
    input: Input,
    options?: AskOptions,
  ): Promise<readonly WorkerAnswer<Answer>[]>;
}

/** The answers of all workers. @throws {ServerError} the error of the first one that failed */
export function everyAnswer<Answer>(answers: readonly WorkerAnswer<Answer>[]): readonly Answer[] {
  return answers.map((result) => {
    if (result.kind === "failed") throw result.error;
    return result.answer;
  });
}

/** Questions that this worker answers. */
export class AnswerBook {
  readonly #answers = new Map<string, (input: unknown) => unknown>();

  add<Input, Answer>(
    question: Question<Input, Answer>,
    give: (input: Input) => Answer | Promise<Answer>,
  ): void {
    if (this.#answers.has(question.name)) {
      throw new RangeError(`question ${question.name} has an answer already`);
    }
    // The name stands for the types: both sides use the same Question.
    this.#answers.set(question.name, (input) => give(input as Input));
  }

  /** @throws {ServerError} `SERVER_NOT_FOUND` for a question that nobody answers, and what answering throws */
  async give(name: string, input: unknown): Promise<unknown> {
    const answer = this.#answers.get(name);
    if (answer === undefined) {
      throw new ServerError("SERVER_NOT_FOUND", `no worker answers the question "${name}"`);
    }
    return await answer(input);
  }
}

/** Runs one asking and turns what it throws into a part of the result. */
export async function answerOf<Answer>(
  worker: number,
  ask: () => Promise<unknown>,
): Promise<WorkerAnswer<Answer>> {
  try {
    return { worker, kind: "answered", answer: (await ask()) as Answer }; // As above.
  } catch (error) {
    return { worker, kind: "failed", error: asServerError(error) };
  }
}

/** The group of a server with one worker. */
export class SingleWorker implements WorkerGroup {
  readonly worker = 1;
  readonly workers = 1;
  readonly #answers = new AnswerBook();

  answer<Input, Answer>(
    question: Question<Input, Answer>,
    give: (input: Input) => Answer | Promise<Answer>,
  ): void {
    this.#answers.add(question, give);
  }

  async askAll<Input, Answer>(
    question: Question<Input, Answer>,
    input: Input,
  ): Promise<readonly WorkerAnswer<Answer>[]> {
    return [await answerOf(this.worker, () => this.#answers.give(question.name, input))];
  }
}

function asServerError(error: unknown): ServerError {
  if (error instanceof ServerError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new ServerError("SERVER_INTERNAL", message, { cause: error });
}
