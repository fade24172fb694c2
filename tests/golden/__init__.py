"""Golden values: what other systems hold of ours, and what renaming and moving code must therefore not change.

`values/*.json` has the values; each module here collects one file of them, and `test_values.py` compares. They are
changed by hand, or by `python -m tests.golden` where a release changes one on purpose (then with a migration).

| file | holds | because it is kept by |
|---|---|---|
| digests | digests of changes, the audit chain, signatures, keys, sealed texts, cursors | the database, clients |
| story | what a fixed story leaves in every table: columns, words, keys of JSON | the database, the audit trail |
| schema | the statements that make a new SQLite database | the database |
| words | single words that are stored or on a wire, each as it stands in the code | the database, Slack, clients |
| slack | ids of controls, blocks and forms, keys of their values and metadata | messages that were posted |
| mcp | names and types of tools, arguments, results and errors; without their descriptions | MCP clients |
| names | settings, commands and options, operations, `/vps` words, addresses, prompts | operators, scripts |

Not here, for it is held elsewhere:

- whole tool listings with their texts: `tests/unit/mcp_server/tools/snapshots`;
- whole cards: `tests/unit/bot/messages/snapshots`;
- whole MCP conversations, message by message: `docs/transcripts` (`python -m tests.transcripts --check`);
- the generated pages that `names` is read from: `docs/reference` (`python -m tests.docs.generate --check`);
- the Slack manifest: `manifest.yml`, compared in `tests/unit/bot/test_manifest.py` and with Slack's schema in
  `tests/contract/test_manifest_schema.py`;
- bodies of the health addresses: `test_readiness.py`; exit codes: the end-to-end tests of the commands;
  codes of JSON-RPC errors: `test_errors.py` and the transcripts.
"""

from pathlib import Path
from typing import Final

VALUES: Final = Path(__file__).parent / "values"
