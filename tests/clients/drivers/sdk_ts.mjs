// The TypeScript SDK's client, of its first version or its second (argument 2: an era of the second).
const target = JSON.parse(process.argv[2]);
const era = process.argv[3];
const READ = { name: "vps_list", arguments: {} };
const CHANGE = { name: "vps_reboot", arguments: { server: "web01" } };
const yes = async () => ({ action: "accept", content: { confirm: true } });

async function parts() {
  if (era) {
    const { Client, StreamableHTTPClientTransport } = await import("@modelcontextprotocol/client");
    const { StdioClientTransport } = await import("@modelcontextprotocol/client/stdio");
    return { Client, StdioClientTransport, StreamableHTTPClientTransport, elicit: "elicitation/create" };
  }
  const { Client } = await import("@modelcontextprotocol/sdk/client/index.js");
  const { StdioClientTransport } = await import("@modelcontextprotocol/sdk/client/stdio.js");
  const { StreamableHTTPClientTransport } = await import("@modelcontextprotocol/sdk/client/streamableHttp.js");
  const { ElicitRequestSchema } = await import("@modelcontextprotocol/sdk/types.js");
  return { Client, StdioClientTransport, StreamableHTTPClientTransport, elicit: ElicitRequestSchema };
}

const textOf = (result) => (result.content ?? []).map((part) => part.text ?? "").join(" ");

async function visit(human) {
  const { Client, StdioClientTransport, StreamableHTTPClientTransport, elicit } = await parts();
  const mode = era === "2026-07-28" ? { pin: era } : era;
  const client = new Client(
    { name: "typescript", version: "1" },
    { capabilities: human ? { elicitation: {} } : {}, ...(era ? { versionNegotiation: { mode } } : {}) },
  );
  if (human) client.setRequestHandler(elicit, yes);
  const transport = target.url
    ? new StreamableHTTPClientTransport(new URL(target.url))
    : new StdioClientTransport({ command: target.command[0], args: target.command.slice(1), env: target.env });
  await client.connect(transport);
  try {
    const tools = (await client.listTools()).tools.length;
    const read = textOf(await client.callTool(READ));
    let change;
    try {
      change = textOf(await client.callTool(CHANGE));
    } catch (error) {
      change = String(error);
    }
    return { tools, read, change };
  } finally {
    await client.close();
  }
}

const alone = await visit(false);
const together = await visit(true);
console.log(JSON.stringify({ tools: alone.tools, read: alone.read, confirmed: together.change, refused: alone.change }));
process.exit(0);
