/**
 * What this server lets its page ask for: more bots, say. Each is an address below the page's own.
 *
 * Must not know: what actions do.
 */

const LISTING = "actions";

/** The addresses of all that may be asked for, without a slash; none where there is no such list. */
export async function known() {
  try {
    const answer = await fetch(LISTING);
    if (!answer.ok) return [];
    const { actions } = await answer.json();
    return actions.map((path) => path.replace(/^\//, ""));
  } catch {
    return []; // the server is away; whoever needs it will notice
  }
}

/** What the server tells at an address; null if it tells nothing. */
export async function ask(address) {
  try {
    const answer = await fetch(address);
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

/**
 * Ask for something.
 *
 * @param {string} address
 * @param {Record<string, any>} wish
 * @returns {Promise<{told: any, refusal: string}>} `told` is null if it was refused
 */
export async function wish(address, wish) {
  const request = {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(wish),
  };
  try {
    const answer = await fetch(address, request);
    const text = await answer.text();
    return answer.ok ? { told: JSON.parse(text), refusal: "" } : { told: null, refusal: text.trim() };
  } catch {
    return { told: null, refusal: "the server cannot be reached" };
  }
}
