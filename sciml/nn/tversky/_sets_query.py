"""Queries about sets of features: ``A & B - C``."""

import re
from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sciml.core.errors import UnknownNameError, UserError

_TOKEN = re.compile(r"\s*(?:([A-Za-z_][A-Za-z0-9_]*|'[^']*')|([&|()\-]))")
_LONGEST, _DEEPEST = 500, 20


def parse_query(text: str, sets: Mapping[str, Bool[Tensor, " feature"]]) -> Bool[Tensor, " feature"]:
    """The features that a query names, from sets by name.

    ``A & B`` is what both have, ``A - B`` what A has and B has not, ``A | B`` what either has. ``&`` and ``-`` bind
    equally, from the left, and before ``|``; there are parentheses. Names that are no words stand in single quotes.

    Arguments:
        text: the query, at most 500 characters.
        sets: features of every named object.

    Raises: UserError, UnknownNameError: it is no such expression, with the place; nothing of it is ever executed.
    """
    return _Reader(text, sets).read()


class _Reader:
    """Reads one expression from the left; every method leaves the place behind what it read."""

    def __init__(self, text: str, sets: Mapping[str, Bool[Tensor, " feature"]]) -> None:
        if len(text) > _LONGEST:
            raise UserError("a query is too long", got=f"{len(text)} characters", expected=f"at most {_LONGEST}")
        self.text, self.sets = text, sets
        self.tokens: list[tuple[str, int]] = []
        place, end = 0, len(text.rstrip())
        while place < end:
            match = _TOKEN.match(text, place)
            if match is None:
                raise self._error(place, "names, &, |, - and parentheses")
            self.tokens.append((match[1] or match[2], match.start(1) if match[1] else match.start(2)))
            place = match.end()
        self.at = 0

    def read(self) -> Bool[Tensor, " feature"]:
        """The whole expression."""
        features = self._either(0)
        if self.at < len(self.tokens):
            raise self._error(self.tokens[self.at][1], "an operator, or the end")
        return features

    def _either(self, depth: int) -> Tensor:
        features = self._both(depth)
        while self._peek() == "|":
            self.at += 1
            features = features | self._both(depth)
        return features

    def _both(self, depth: int) -> Tensor:
        features = self._one(depth)
        while (sign := self._peek()) in ("&", "-"):
            self.at += 1
            other = self._one(depth)
            features = features & (other if sign == "&" else ~other)
        return features

    def _one(self, depth: int) -> Tensor:
        token, place = self.tokens[self.at] if self.at < len(self.tokens) else ("", len(self.text))
        if depth > _DEEPEST:
            raise self._error(place, f"at most {_DEEPEST} parentheses within one another")
        self.at += 1
        if token == "(":
            features = self._either(depth + 1)
            if self._peek() != ")":
                place = self.tokens[self.at][1] if self.at < len(self.tokens) else len(self.text)
                raise self._error(place, "a closing parenthesis")
            self.at += 1
            return features
        name = token.strip("'")
        if not token or token in "&|-)":
            raise self._error(place, "a name or an opening parenthesis")
        if name not in self.sets:
            raise UnknownNameError("set", name, self.sets)
        return self.sets[name]

    def _peek(self) -> str:
        return self.tokens[self.at][0] if self.at < len(self.tokens) else ""

    def _error(self, place: int, expected: str) -> UserError:
        seen = repr(self.text[place : place + 20]) if place < len(self.text) else "the end"
        return UserError(f"the query {self.text[:60]!r} is no expression of sets", expected=expected,
                         got=f"{seen} at character {place + 1}")  # fmt: skip


def rank(strength: Float[Tensor, "sample feature"], features: Bool[Tensor, " feature"]) -> Float[Tensor, " sample"]:
    """f(X ∩ Q) of every sample: the salience of those of its features that the query names."""
    return torch.where(features, strength, torch.zeros_like(strength)).sum(1)
