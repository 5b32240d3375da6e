/** What a server behind the page can do: `layerscope lab` writes a token into the page that it serves. */

export interface Served { token: string }

let known: Served | null | undefined;

/** null where the page came from a file. */
export function served(): Served | null {
  if (known === undefined) {
    const token = document.querySelector<HTMLMetaElement>("meta[name=layerscope-token]")?.content;
    known = token ? { token } : null;
  }
  return known;
}

/** What the server answers. Its mistakes, and its absence, are Errors with words. */
export async function asked<T>(path: string, body?: unknown): Promise<T> {
  const headers: Record<string, string> = { "x-layerscope-token": served()!.token };
  const post = { method: "POST", body: JSON.stringify(body), headers: { ...headers, "content-type": "application/json" } };
  let answer: Response;
  try {
    answer = await fetch(path, body === undefined ? { headers } : post);
  } catch {
    throw new Gone();
  }
  const found = await answer.json() as T & { error?: string };
  if (!answer.ok) throw new Error(found.error ?? answer.statusText);
  return found;
}

/** Nobody answers: layerscope lab was ended. */
export class Gone extends Error {}
