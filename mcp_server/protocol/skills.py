"""The skills extension, which the SDK does not have: its wire forms and its two methods.

A skill is a SKILL.md whose frontmatter and digest a host reads from the list, before it loads the file as a resource.
Source: the extension's specification (SEP-2640, final; the extension's text is in beta), for 2026-07-28 and later.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import mcp.types as t
from mcp.server.extension import Extension, MethodBinding
from mcp.server.lowlevel import Server
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import Field

from vpsops.core.common.json_types import Json
from vpsops.mcp_server.protocol import sdk_compat
from vpsops.mcp_server.protocol.sdk_compat import Context, install_extension

EXTENSION: Final = "io.modelcontextprotocol/skills"
VERSIONS: Final = frozenset(MODERN_PROTOCOL_VERSIONS)
FILE: Final = "SKILL.md"
MARKDOWN: Final = "text/markdown"
LONGEST_URI: Final = 300
TTL_MS: Final = 300_000


@dataclass(frozen=True, slots=True)
class Skill:
    """One skill of one file; `uri` ends in its name and SKILL.md, as the specification asks."""

    folder: str
    name: str
    description: str
    instructions: str

    @property
    def uri(self) -> str:
        """The address of its SKILL.md."""
        return f"{self.folder}/{self.name}/{FILE}"

    @property
    def text(self) -> str:
        """Its SKILL.md. JSON strings are YAML strings, so that the frontmatter reads back as it was written."""
        frontmatter = "\n".join(f"{key}: {json.dumps(value)}" for key, value in self.frontmatter.items())
        return f"---\n{frontmatter}\n---\n\n{self.instructions}\n"

    @property
    def frontmatter(self) -> dict[str, str]:
        """What a host shows of it before it is loaded."""
        return {"name": self.name, "description": self.description}

    @property
    def entry(self) -> dict[str, Json]:
        """The skill as it is listed, with the digest and the size in bytes of its one file."""
        content = self.text.encode()
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        file: dict[str, Json] = {"uri": self.uri, "digest": digest, "size": len(content)}
        return {"uri": self.uri, "frontmatter": dict[str, Json](self.frontmatter), "resources": [file]}


class GetSkillParams(t.RequestParams):
    """The skill a request is about."""

    uri: str = Field(max_length=LONGEST_URI)


SkillFinder = Callable[[Context], Sequence[Skill]]
"""Returns the skills that the caller of a request can follow."""


class SkillsExtension(Extension):
    """Lists skills and gets one; their files are read as resources."""

    identifier = EXTENSION

    def __init__(self, skills_of: SkillFinder) -> None:
        self._skills_of = skills_of

    def methods(self) -> Sequence[MethodBinding]:
        """Return the methods this extension serves."""
        return (
            MethodBinding("skills/list", t.PaginatedRequestParams, self._list, VERSIONS),
            MethodBinding("skills/get", GetSkillParams, self._get, VERSIONS),
        )

    async def _list(self, context: Context, params: t.PaginatedRequestParams | None) -> dict[str, Json]:
        if params is not None and params.cursor is not None:
            raise sdk_compat.invalid_cursor_error()
        return {"skills": [skill.entry for skill in self._skills_of(context)], **_cache_hint()}

    async def _get(self, context: Context, params: GetSkillParams) -> dict[str, Json]:
        return {"skill": find_skill(self._skills_of(context), params.uri).entry, **_cache_hint()}


def _cache_hint() -> dict[str, Json]:
    return {"resultType": "complete", "ttlMs": TTL_MS, "cacheScope": "private"}


def find_skill(skills: Sequence[Skill], uri: str) -> Skill:
    """Return the skill at an address. Raises the protocol's error where this caller has none there."""
    for skill in skills:
        if skill.uri == uri:
            return skill
    raise sdk_compat.invalid_params_error("No such skill is served here. skills/list has the addresses.")


def read_skill(skills: Sequence[Skill], uri: str) -> t.ReadResourceResult:
    """Return a skill's SKILL.md as a resource. Raises as `find_skill` does."""
    content = t.TextResourceContents(uri=uri, mime_type=MARKDOWN, text=find_skill(skills, uri).text)
    return t.ReadResourceResult(contents=[content], ttl_ms=TTL_MS, cache_scope="private")


def serve_skills(server: Server[Any], skills_of: SkillFinder) -> None:
    """Have a server offer the extension, with these skills."""
    install_extension(server, SkillsExtension(skills_of))
