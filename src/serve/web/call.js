// a path of the server → its JSON; with the token, where the server wants one.

const KEY = "soma-token";
let token = sessionStorage.getItem(KEY) ?? "";

/** Throws an Error with the server's own words; one whose `status` is 401 wants another token. */
export async function call(path, options = {}) {
  const headers = { ...options.headers, ...(token ? { Authorization: `Bearer ${token}` } : {}) };
  const reply = await fetch(path, { ...options, headers });
  const answer = await reply.json();
  if (reply.ok) return answer;
  throw Object.assign(new Error(answer.error ?? `The server answered ${reply.status}`), { status: reply.status });
}

/** Kept until the tab is closed. */
export function useToken(words) {
  token = words.trim();
  sessionStorage.setItem(KEY, token);
}
