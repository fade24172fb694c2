// The inspector's command line, with its strict look at schemas; it cannot ask.
import { spawnSync } from "node:child_process";
import { join } from "node:path";

const target = JSON.parse(process.argv[2]);
const main = join(process.cwd(), "node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js");

function inspect(...words) {
  const variables = Object.entries(target.env).flatMap(([name, value]) => ["-e", `${name}=${value}`]);
  const where = target.url ? [target.url] : [...variables, ...target.command];
  return spawnSync(process.execPath, [main, "--cli", ...where, ...words], { encoding: "utf8", timeout: 120000 });
}

const textOf = (ended) => {
  try {
    const result = JSON.parse(ended.stdout);
    return (result.content ?? result.result?.content ?? []).map((part) => part.text ?? "").join(" ");
  } catch {
    return ended.stdout + ended.stderr;
  }
};

const list = inspect("--method", "tools/list", "--strict");
const listed = JSON.parse(list.stdout);
const tools = list.status === 0 ? (listed.tools ?? listed.result.tools).length : 0;
const read = textOf(inspect("--method", "tools/call", "--tool-name", "vps_list"));
const refused = textOf(inspect("--method", "tools/call", "--tool-name", "vps_reboot", "--tool-arg", "server=web01"));
console.log(JSON.stringify({ tools, read, confirmed: "", refused }));
