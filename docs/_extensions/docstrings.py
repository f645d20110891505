"""Our docstrings as Sphinx reads them: they are plain text with headed sections, equations indented, code in backticks.

Nothing in them is meant as reStructuredText but code spans and lists, so everything else is escaped: `*space`, |k| and
u_x stay what they are.
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_HEADING = re.compile(r"(Arguments|Attributes|Fields|Returns|Raises|References?|Notes?|Metrics|Formats):(?: (.*))?$")
_ENTRY = re.compile(r"([\w*][\w*., `|\[\]]*?):(?: (.*))?$")
_CODE = re.compile(r"``(.+?)``|`(.+?)`")
_BULLET = re.compile(r"[-*] ")


def rewrite(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Replace the lines of a docstring by the same as reStructuredText (the event `autodoc-process-docstring`)."""
    lines[:] = list(_Writer(_public_names(name)).document(lines))


def _public_names(name: str) -> frozenset[str]:
    """What the module of a documented object exports: the names that a docstring may link by themselves."""
    parts = name.split(".")
    modules = (sys.modules.get(".".join(parts[:count])) for count in range(len(parts), 0, -1))
    module = next(module for module in modules if module is not None)
    return frozenset(getattr(module, "__all__", ()))


@dataclass(frozen=True)
class _Writer:
    """Blocks of a docstring as reStructuredText.

    Arguments:
        public: names that become links.
    """

    public: frozenset[str]

    def document(self, lines: list[str]) -> Iterator[str]:
        """Blocks, a blank line between two."""
        for block in _blocks(lines):
            heading = _HEADING.match(block[0])
            if heading:
                yield from self.headed(heading[1], heading[2], block[1:])
            elif block[0].startswith(" "):
                yield from ("::", "", *block)
            elif _BULLET.match(block[0]):
                yield from self.list(block)
            else:
                yield from self.paragraph(block)
            yield ""

    def headed(self, heading: str, text: str | None, body: list[str]) -> Iterator[str]:
        """A section, or a heading with its text on the same line and the lines below."""
        if text:
            yield f"**{heading}** – {self.inline(text)}"
            yield from (self.inline(line.strip()) for line in body)
        else:
            yield from (f"**{heading}**", "")
            yield from self.section(textwrap.dedent("\n".join(body)).splitlines())

    def section(self, body: list[str]) -> Iterator[str]:
        """Entries ``name: what it is`` as a definition list; other text as paragraphs."""
        entry: list[str] = []
        for line in [*body, "END:"]:
            named = _ENTRY.match(line) if not line.startswith(" ") else None
            if not line.startswith(" ") and entry:
                yield from self.definition(entry)
                entry = []
            if named:
                entry = [line]
            elif entry:
                entry.append(line)
            elif line:
                yield self.inline(line)

    def definition(self, entry: list[str]) -> Iterator[str]:
        """One or several names and what they are."""
        names, _, text = entry[0].partition(":")
        yield ""
        yield ", ".join(f"``{name.strip(' `')}``" for name in names.split(","))
        yield from (f"    {self.inline(line.strip())}" for line in [text, *entry[1:]] if line.strip())
        yield ""

    def paragraph(self, block: list[str]) -> Iterator[str]:
        """Text, and the indented lines that follow it without a blank one, as literal text."""
        count = next((i for i, line in enumerate(block) if line.startswith(" ")), len(block))
        yield from (self.inline(line) for line in block[:count])
        if count < len(block):
            yield from ("", "::", "", *block[count:])

    def list(self, block: list[str]) -> Iterator[str]:
        """Bullets, with what is indented below them."""
        for line in block:
            yield f"- {self.inline(line[2:])}" if _BULLET.match(line) else f"  {self.inline(line.strip())}"

    def inline(self, text: str) -> str:
        """One line with its code spans as code and nothing else as markup."""
        parts, end = [], 0
        for match in _CODE.finditer(text):
            parts += [_escape(text[end : match.start()]), self.code(match[1] or match[2], linked=bool(match[2]))]
            end = match.end()
        return "".join([*parts, _escape(text[end:])])

    def code(self, text: str, *, linked: bool) -> str:
        """A public name in single backticks as a link, all else literal.

        The escaped blanks keep letters that touch it (``k``-th) from spoiling the markup; they are not shown.
        """
        link = linked and (text in self.public or re.fullmatch(r"sciml(\.\w+)+", text))
        return f"\\ :py:obj:`{text}`\\ " if link else f"\\ ``{text.strip()}``\\ "


def _blocks(lines: list[str]) -> Iterator[list[str]]:
    """Paragraphs; indented text (an equation), and a heading with all that is indented below it, are one each."""
    block: list[str] = []
    for line in [*lines, "END"]:
        if not line:
            if block and not _takes_blanks(block):
                yield block
                block = []
            elif block:
                block.append("")
        elif not line.startswith(" ") and block and (_takes_blanks(block) or _HEADING.match(line) or line == "END"):
            yield _trimmed(block)
            block = [line]
        else:
            block.append(line)


def _takes_blanks(block: list[str]) -> bool:
    """Whether blank lines and indented text after them belong to a block."""
    return block[0].startswith(" ") or bool(_HEADING.match(block[0]))


def _trimmed(block: list[str]) -> list[str]:
    while block and not block[-1]:
        block.pop()
    return block


def _escape(text: str) -> str:
    return re.sub(r"([\\*|`_])", r"\\\1", text)


def setup(app: Sphinx) -> dict[str, bool]:
    """Registered as an extension in ``conf.py``."""
    app.connect("autodoc-process-docstring", rewrite)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
