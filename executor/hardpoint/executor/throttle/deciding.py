"""One round of decisions: what is free goes to who is next, pool by pool."""

from __future__ import annotations

from collections.abc import Collection

from hardpoint.executor.throttle.book import Book
from hardpoint.executor.throttle.foreign import ForeignClaim
from hardpoint.executor.throttle.lots import Holder, Lot, Need
from hardpoint.executor.throttle.pool import Candidate, Pool
from hardpoint.executor.throttle.reservations import refuses_for_good


class Round:
    """Decides until no pool that was touched can give anything.

    A lot that is next in its pool is granted if all its other pools have room and nobody there goes before
    it. Otherwise it moves to the line of the pool that objects. This ends: a move takes the first out of
    one line and leaves the first of another as it is, so without a grant the firsts only get worse.

    Args:
        book: What is known; changed by grants.
        now: Seconds.
        only: Names of the pools to decide on; None for all.
    """

    def __init__(self, book: Book, now: float, only: Collection[str] | None) -> None:
        self.granted: list[Holder] = []
        self._book = book
        self._now = now
        self._now_us = book.us(now)
        self._only = only
        self._left_free: list[Candidate] = []

    def run(self) -> None:
        """Grant what can be granted."""
        book = self._book
        for lot in list(book.fresh):
            self._place(lot)
        for lot in book.reservations.pop_due(self._now):
            assert lot.home is not None
            book.dirty[lot.home.pool.name] = lot.home.pool
        self._serve_reservations()
        while names := [name for name in book.dirty if self._only is None or name in self._only]:
            for name in sorted(names):
                if name in book.dirty:
                    self._settle(book.dirty[name])
        self._take_back()

    def _place(self, lot: Lot) -> None:
        """Let a lot stand in its first limited pool; without one, grant it as a whole."""
        book = self._book
        need = next((need for need in lot.needs if need.share.pool.is_limited), None)
        if need is not None:
            del book.fresh[lot]
            book.enter_line(lot, need)
            book.reservations.watch(lot)
            book.dirty[need.share.pool.name] = need.share.pool
            return
        while lot:
            self._grant(lot)

    def _serve_reservations(self) -> None:
        book = self._book
        for lot in book.reservations.oldest_first():
            if self._only is not None and any(share.pool.name not in self._only for share, _ in lot.needs):
                continue
            if refuses_for_good(lot):
                book.reservations.end(lot)
                book.touch(lot)
                self._place_again(lot)
            elif book.reservations.fits(lot):
                book.reservations.end(lot)
                self._grant(lot)
                book.touch(lot)
                if lot:
                    self._place_again(lot)

    def _place_again(self, lot: Lot) -> None:
        self._book.fresh[lot] = None
        self._place(lot)

    def _settle(self, pool: Pool) -> None:
        """Give what a pool has; go on first with a pool whose first goes before ours."""
        stack = [pool]
        while stack:
            pool = stack[-1]
            candidate = pool.next(None if pool.reserved else self._now)
            if candidate is None:
                stack.pop()
                self._book.dirty.pop(pool.name, None)
            elif isinstance(candidate.resident, ForeignClaim):
                self._leave_free(candidate)
            else:
                objecting = self._try(candidate.resident, pool)
                if objecting is not None:
                    stack = [each for each in stack if each is not objecting]
                    stack.append(objecting)

    def _try(self, lot: Lot, pool: Pool) -> Pool | None:
        """Grant the next of a lot that is next in a pool, or move it; return a pool that is to go first."""
        refusing = [
            need
            for need in lot.needs
            if need.share.pool.refusal(need.share, need.units, need.share.pool.set_aside) is not None
        ]
        if not refusing:
            for need in lot.needs:
                if need.share.pool is not pool and self._goes_after(lot, need):
                    self._book.enter_line(lot, need)
                    self._book.dirty[need.share.pool.name] = need.share.pool
                    return need.share.pool
            self._grant(lot)
        elif lot.is_due(self._now) and not refuses_for_good(lot) and self._is_its_turn(lot, pool, refusing):
            self._book.leave_line(lot)
            self._book.reservations.make(lot)
        else:
            self._book.enter_line(lot, _other_than(pool, refusing))
        return None

    def _goes_after(self, lot: Lot, need: Need) -> bool:
        """Whether somebody in another pool, who would be granted units there, goes before a lot."""
        share = need.share
        pool = share.pool
        if not (pool.foreign or pool.name in self._book.dirty):
            return False  # All who stand there have been refused, and nothing has changed.
        if self._only is not None and pool.name not in self._only:
            return False
        first = pool.next()
        return first is not None and first.rank < share.rank(lot.key)

    def _is_its_turn(self, lot: Lot, pool: Pool, refusing: list[Need]) -> bool:
        """Whether a lot goes before all who stand in the pools that refuse it."""
        for share, _ in refusing:
            if share.pool is not pool and share.pool.goes_before(share.rank(lot.key)):
                return False
        return True

    def _grant(self, lot: Lot) -> None:
        book = self._book
        before = lot.key
        holder = lot.take()
        # Before it stops waiting: whoever neither waits nor holds is idle, and comes back with less credit.
        book.grant(lot, holder, self._now)
        if not lot:
            book.end_waiting(lot)
        elif lot.key is not before:
            book.move_up(lot)
        self.granted.append(holder)

    def _leave_free(self, candidate: Candidate) -> None:
        """Count a unit as given to another executor, for this round."""
        claim = candidate.resident
        assert isinstance(claim, ForeignClaim)
        claim.left -= 1
        candidate.share.book(candidate.units, self._now_us)
        if not claim.left:
            candidate.share.exit(claim, candidate.units)
        self._left_free.append(candidate)

    def _take_back(self) -> None:
        for candidate in reversed(self._left_free):
            claim = candidate.resident
            assert isinstance(claim, ForeignClaim)
            candidate.share.book(-candidate.units, self._now_us)
            if not claim.left:
                candidate.share.enter(claim, candidate.units)
            claim.left += 1


def _other_than(pool: Pool, refusing: list[Need]) -> Need:
    """The first pool that refuses beside the one in whose line the lot stands."""
    return next((need for need in refusing if need.share.pool is not pool), refusing[0])
