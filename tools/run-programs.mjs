/** Runs programs of one kind one after the other, each in a process of its own; stops at the first failure. */
import { fail, runNode } from "./setup.mjs";

/**
 * @param {object} plan
 * @param {string} plan.kind - what one of the files is, for messages
 * @param {readonly string[]} plan.files
 * @param {readonly string[]} plan.nodeFlags
 * @param {readonly string[]} plan.programArguments - words choose files; from the first flag on, all goes to
 *   the programs
 */
export function runPrograms({ kind, files, nodeFlags, programArguments }) {
  const firstFlag = programArguments.findIndex((argument) => argument.startsWith("-"));
  const words = firstFlag === -1 ? programArguments : programArguments.slice(0, firstFlag);
  const flags = firstFlag === -1 ? [] : programArguments.slice(firstFlag);
  const chosen = files.filter(
    (file) => words.length === 0 || words.some((word) => file.includes(word)),
  );
  if (chosen.length === 0) {
    fail(
      `no ${kind} matches${words.length === 0 ? "" : ` ${words.join(", ")}`}; there are: ${files.join(", ") || "none"}`,
    );
  }
  for (const file of chosen) {
    process.stderr.write(`walnut: ${kind} ${file}\n`);
    const exitCode = runNode([...nodeFlags, file, ...flags]);
    if (exitCode === 0) continue;
    process.stderr.write(`walnut: ${kind} ${file} failed with exit code ${exitCode}\n`);
    process.exitCode = exitCode;
    return;
  }
}
