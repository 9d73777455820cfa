// Reads JSON files as a browser would, and prints for each the SHA-256 of its canonical form (protocol.md).
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = Object.keys(value).sort().map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`);
  return `{${members.join(",")}}`;
}

for (const path of process.argv.slice(2)) {
  const text = canonical(JSON.parse(readFileSync(path, "utf8")));
  console.log(createHash("sha256").update(text, "utf8").digest("hex"));
}
