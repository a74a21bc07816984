"""Requirements that no choice of versions can meet, found without a search.

A search takes back one choice after the other, also those that have nothing to do with its trouble,
and can need ages to learn that a requirement was lost from the start. Here no version depends upon
another choice: a requirement is hopeless when all versions that it allows are dead, and a version
is dead when one of its own requirements is hopeless. That is less than a search can find, and never
more: a version counts whenever any combination of requirements could let it in.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain

from bundler.resolve.dependencies import Dependencies
from bundler.resolve.wanted import NOTHING, Candidate, Cause, Key, Wanted

# A chain of more dependencies than this is taken for alive: Python bounds recursion.
_DEEPEST = 100


@dataclass(slots=True)
class Prospects:
    """What can be hoped for on one target.

    Attributes:
        dependencies: Says what a version requires, and under which terms.
    """

    dependencies: Dependencies
    _hopeless: dict[Wanted, bool] = field(default_factory=dict)
    _begun: set[Candidate] = field(default_factory=set)
    _lost: dict[Candidate, Wanted] = field(default_factory=dict)

    def causes(self) -> list[Cause]:
        """Every hopeless requirement of the profile and, down the chain, what makes it so."""
        found: dict[Cause, None] = {}
        roots = self.dependencies.shelves.terms.roots
        rest: list[Cause] = [Cause(root, None) for root in roots if self._is_hopeless(root, 0)]
        followed: set[Wanted] = set()
        while rest:
            wanted, parent = cause = rest.pop(0)
            # That an extra needs its own project goes without saying.
            if parent is None or wanted.key != Key(parent.key.project):
                found[cause] = None
            if wanted not in followed:
                followed.add(wanted)
                rest += [Cause(self._lost[c], c) for c in self._candidates(wanted)]
        projects = {cause.requirement.key.project for cause in found}
        bounds = [Cause(root, None) for root in roots if root.key.project in projects]
        return list(found | dict.fromkeys(bounds))

    def is_dead(self, candidate: Candidate) -> bool:
        """Whether no solution can have this version."""
        return self._is_dead(candidate, 0)

    def _is_hopeless(self, wanted: Wanted, depth: int) -> bool:
        if wanted not in self._hopeless:
            self._hopeless[wanted] = False  # a cycle that comes back here does not hinder itself
            if depth < _DEEPEST:
                self._hopeless[wanted] = all(
                    self._is_dead(candidate, depth) for candidate in self._candidates(wanted)
                )
        return self._hopeless[wanted]

    def _is_dead(self, candidate: Candidate, depth: int) -> bool:
        if candidate not in self._begun:
            self._begun.add(candidate)
            for wanted in self.dependencies.of(candidate):
                if self._is_hopeless(wanted, depth + 1):
                    self._lost[candidate] = wanted
                    break
        return candidate in self._lost

    def _candidates(self, wanted: Wanted) -> Iterator[Candidate]:
        """Every version that could be chosen, likely ones first.

        Another requirement can name a pre-release or pin a yanked file and so let it in.
        """
        project = wanted.key.project
        if wanted == NOTHING:
            return
        shelves = self.dependencies.shelves
        specifier = wanted.specifier & shelves.terms.bound(project)
        for root in shelves.terms.roots:
            if root.key.project == project:
                specifier &= root.specifier
        shelf = shelves.of(project)
        found = chain(shelf.choices(specifier), shelf.installable(specifier))
        for choice in shelves.catalogue.ahead(found):
            yield Candidate(wanted.key, choice.version, choice.file)
