"""What `create` asks of planning: a plan, and later the proof that what was made of it is whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bundler.events import Observer
from bundler.model.manifest import ProjectDocument
from bundler.model.plan import Plan
from bundler.resolve.index import Index
from bundler.resolve.lock import Locks
from bundler.resolve.plan import find_resolution, plan_of
from bundler.resolve.proof import BundledIndex, prove_closure
from bundler.resolve.request import Request
from bundler.resolve.resolution import Likely, Resolution


class Planner(Protocol):
    """Asked once for a plan, then once for its proof."""

    def plan(self, likely: Likely) -> Plan:
        """The plan; `likely` hears of files that will almost surely be in it.

        Raises:
            BundlerError: as `find_resolution` and `plan_of`.
        """

    def prove(self, documents: Sequence[ProjectDocument]) -> None:
        """See that the documents that were made of the plan are enough for every target.

        Raises:
            BundlerError: as `prove_closure`.
        """

    def close(self) -> None:
        """End what is under way, from any thread; nothing can be asked afterwards."""


class DirectPlanner:
    """Plans here, in the threads of this process."""

    def __init__(
        self, request: Request, locks: Locks | None, index: Index, tool: str, observe: Observer
    ) -> None:
        """Nothing is asked yet.

        Args:
            request: What the profile asks for, its files read.
            locks: To take exactly what they have; None to resolve.
            index: What there is; forgotten once there is a plan.
            tool: Named by the locks as their maker.
            observe: Hears about the progress.
        """
        self._request = request
        self._locks = locks
        self._index = index
        self._tool = tool
        self._observe = observe
        self._planned: tuple[Resolution, Plan] | None = None

    def plan(self, likely: Likely) -> Plan:
        """See `Planner`."""
        resolution = find_resolution(self._request, self._locks, self._index, self._observe, likely)
        plan = plan_of(resolution, self._tool, self._observe)
        self._index.close()
        self._planned = resolution, plan
        return plan

    def prove(self, documents: Sequence[ProjectDocument]) -> None:
        """See `Planner`; ValueError if there is no plan yet."""
        if self._planned is None:
            raise ValueError("nothing was planned")
        resolution, plan = self._planned
        prove_closure(resolution, BundledIndex(documents, plan.metadata))

    def close(self) -> None:
        """See `Planner`."""
        self._index.close()
