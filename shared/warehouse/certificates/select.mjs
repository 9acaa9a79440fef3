// Writes the roots of Amazon RDS from the npm package that carries them; see README.md.
import { X509Certificate } from "node:crypto";
import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";

const [folder, out] = process.argv.slice(2);
const { defaults } = createRequire(import.meta.url)(resolve(folder, "lib/profiles/ca/defaults.js"));
const roots = defaults
  .map((pem) => ({ pem: pem.trim(), certificate: new X509Certificate(pem) }))
  .map((root) => ({ ...root, name: root.certificate.subject.match(/CN=(.*)/)[1] }))
  .filter(({ certificate }) => certificate.ca && certificate.verify(certificate.publicKey))
  .filter(({ certificate }) => new Date(certificate.validTo) > new Date())
  .filter(({ name }) => !/\b(Beta|Preview)\b/.test(name))
  .sort((a, b) => (a.name < b.name ? -1 : 1));
writeFileSync(out, roots.map(({ name, pem }) => `# ${name}\n${pem}\n`).join(""));
console.log(`${roots.length} roots`);
