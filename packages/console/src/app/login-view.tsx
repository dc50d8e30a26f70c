/** Asks for the token, once for as long as the tab is open. */
import type { VNode } from "preact";
import { useState } from "preact/hooks";
import { askOverview } from "./server-api.ts";

/** The form. `onToken` is called with a token that the server takes. */
export function LoginView(props: {
  readonly reason: string | undefined;
  readonly onToken: (token: string) => void;
}): VNode {
  const [token, setToken] = useState("");
  const [problem, setProblem] = useState(props.reason);
  const [isAsking, setAsking] = useState(false);

  async function onSubmit(event: Event): Promise<void> {
    event.preventDefault();
    const given = token.trim();
    if (given === "") {
      setProblem("Enter the token first.");
      return;
    }
    setAsking(true);
    const reply = await askOverview(given);
    setAsking(false);
    if (reply.kind === "unauthorized") setProblem("The server does not know this token.");
    else if (reply.kind === "unreachable")
      setProblem(`No answer from the server: ${reply.reason}.`);
    else props.onToken(given);
  }

  return (
    <main class="login" id="main">
      <form class="panel" onSubmit={(event) => void onSubmit(event)}>
        <h1>Walnut</h1>
        {/* Password managers want a name beside the secret. */}
        <input type="text" autocomplete="username" value="walnut" hidden readOnly />
        <label for="token">Access token</label>
        <input
          id="token"
          type="password"
          autocomplete="current-password"
          spellcheck={false}
          value={token}
          aria-describedby="token-help token-problem"
          aria-invalid={problem !== undefined}
          onInput={(event) => setToken(event.currentTarget.value)}
          ref={focusOnce}
        />
        <p id="token-problem" class="problem" role="alert">
          {problem}
        </p>
        <button type="submit" class="primary" disabled={isAsking}>
          Open the console
        </button>
        <p id="token-help" class="note">
          On the server’s machine: <code>cat data/token</code>. It stays in this tab and goes
          nowhere but to this server.
        </p>
      </form>
    </main>
  );
}

function focusOnce(input: HTMLInputElement | null): void {
  input?.focus();
}
