// Reads a JSON list of texts from standard input and writes how many tokens of o200k_base each takes.
// The first argument is the folder of the npm package gpt-tokenizer.
import { pathToFileURL } from "node:url";
import { resolve } from "node:path";
import { text } from "node:stream/consumers";

const at = resolve(process.argv[2], "esm/encoding/o200k_base.js");
const { encode } = await import(pathToFileURL(at).href);
const texts = JSON.parse(await text(process.stdin));
process.stdout.write(JSON.stringify(texts.map((one) => encode(one).length)));
