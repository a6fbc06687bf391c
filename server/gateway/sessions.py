"""Which link each session plays over, where its owner is, and its inputs on their way there.

The owner of a session is the shard whose frame lists it with the highest hop. Inputs are kept until
the client was told that they are applied, and go once more to a new owner, who drops those that it
knows; a shard that begins a new epoch is a new owner. So does what an owner does not report for a
while, since the bus may have lost it. What the client was told and a new owner does not know of is
lost, and counted by the client: it is not sent again. Each input says which one its owner must know
before it takes this one: that which was sent before it, and of the first the newest of which the
client may believe that it took effect. So none takes the place of what the client thinks is there.
Whatever a frame says of another generation of a session's link is not meant for ours.

Must not know: how links are written, the handshake.
"""

from protocol.frame import Frame
from protocol.listing import Listing, SessionRow
from server.gateway import limits
from server.gateway.interest import Interests
from server.gateway.links import LinkState, Playing
from server.gateway.post import Post
from server.shard.mail import Confirm, Found, Input, Seek

__all__ = ["Sessions"]

_HOP, _GENERATION = 2, 3  # where they stand in a row


class Sessions:
    """The sessions that play over this gateway's links."""

    def __init__(self, interests: Interests, post: Post) -> None:
        self._interests = interests
        self._post = post
        self._by_session: dict[int, LinkState] = {}
        self._by_entity: dict[int, LinkState] = {}
        self._listings: dict[int, Listing] = {}
        self._epochs: dict[int, int] = {}
        self._moved: list[LinkState] = []
        self._ticks: dict[int, int] = {}  # of the newest frame, by shard
        # By shard the sessions with inputs that it has not reported, and from which tick on they
        # are sent again; the oldest first.
        self._unanswered: dict[int, dict[int, int]] = {}
        # Private sections of sessions that do not play here. A shard sends one when a session gets
        # a new link, and that frame may come before the answer which tells whose link it is.
        self._unclaimed: dict[int, bytes] = {}
        self._shards: frozenset[int] | None = None  # None: to be worked out anew
        self._outdated: set[int] = set()  # those of which a frame names a newer link than ours

    def link_of(self, session: int) -> LinkState | None:
        """The link over which `session` plays."""
        return self._by_session.get(session)

    def link_of_entity(self, entity: int) -> LinkState | None:
        """The link whose session has `entity`."""
        return self._by_entity.get(entity)

    @property
    def shards(self) -> frozenset[int]:
        """The shards that have the sessions, and those where their inputs go."""
        if self._shards is None:
            playing = [state.session for state in self._by_session.values() if state.session]
            owners = {each.owner for each in playing}
            self._shards = frozenset(owners.union(each.route for each in playing))
        return self._shards

    def start(self, state: LinkState, playing: Playing) -> None:
        """`playing` plays over `state` from now on; what frames say of it applies at once."""
        state.session = playing
        self._by_session[playing.session] = state
        self._shards = None
        self._set_entity(state, playing, playing.entity)
        self._outdated.discard(playing.session)
        state.note_private(self._unclaimed.pop(playing.session, None))
        for shard, listing in self._listings.items():
            row = listing.rows.get(playing.session)
            if row is not None:
                self._apply(shard, row)

    def stop(self, state: LinkState) -> None:
        """The session of `state`, if any, plays over it no more."""
        playing = state.session
        if playing is not None and self._by_session.get(playing.session) is state:
            del self._by_session[playing.session]
            self._shards = None
            self._outdated.discard(playing.session)
            if self._by_entity.get(playing.entity) is state:
                del self._by_entity[playing.entity]

    def owner(self, session: int, generation: int) -> int | None:
        """The shard whose newest frame lists `session` with that link, None if none does."""
        rows = ((shard, each.rows.get(session)) for shard, each in self._listings.items())
        owners = [(row[_HOP], s) for s, row in rows if row and row[_GENERATION] == generation]
        return max(owners)[1] if owners else None

    def forget(self, shard: int) -> None:
        """A shard is followed no more: what its frames said is not what is."""
        self._listings.pop(shard, None)
        self._epochs.pop(shard, None)
        self._ticks.pop(shard, None)
        self._unanswered.pop(shard, None)

    def astray(self, now: float) -> list[Seek]:
        """Questions after the sessions that no followed shard has had for too long."""
        listed: set[int] = set().union(*(each.rows for each in self._listings.values()))
        sought = []
        for session, state in self._by_session.items():
            playing = state.session
            if playing is None:
                continue
            if session in listed:
                playing.unlisted_at = None
            elif playing.unlisted_at is None:
                playing.unlisted_at = now
            elif now - playing.unlisted_at >= limits.SEEK_AFTER_S:
                sought.append(Seek(session, playing.generation))
        return sought

    def found(self, answer: Found) -> None:
        """A shard has a session that was asked for."""
        state = self._by_session.get(answer.session)
        playing = state.session if state is not None else None
        if state is None or playing is None or playing.generation != answer.generation:
            return
        if playing.unlisted_at is not None:
            self._route(state, playing, answer.shard)

    def take_moved(self) -> list[LinkState]:
        """The links whose interest was changed by frames since the last call."""
        moved, self._moved = self._moved, []
        return moved

    # --- frames ----------------------------------------------------------------------------------

    def take(self, frame: Frame) -> None:
        """Apply what `frame` says of sessions."""
        anew = self._epochs.get(frame.shard, frame.epoch) != frame.epoch
        self._epochs[frame.shard] = frame.epoch
        self._ticks[frame.shard] = frame.tick
        listing = self._listings.get(frame.shard)
        if anew or listing is None:
            listing = self._listings[frame.shard] = Listing()
        if frame.complete:
            changed = listing.begin(frame.sessions)
        else:
            changed = listing.go_on(frame.sessions, frame.gone)
        for row in changed:
            if row[0] in self._by_session:
                self._apply(frame.shard, row, anew=anew)
        for session, item in frame.privates:
            self._take_private(frame.shard, session, item)
        for session, heir in frame.handed:
            self._hand_over(frame.shard, session, heir)
        self._send_overdue(frame.shard)

    def _take_private(self, shard: int, session: int, item: bytes) -> None:
        state = self._by_session.get(session)
        playing = state.session if state is not None else None
        if state is None or playing is None or session in self._outdated:
            self._unclaimed.pop(session, None)
            self._unclaimed[session] = item
            if len(self._unclaimed) > limits.PRIVATES_KEPT:
                del self._unclaimed[next(iter(self._unclaimed))]
        elif playing.owner == shard:
            state.note_private(item)

    def _apply(self, shard: int, row: SessionRow, *, anew: bool = False) -> None:
        session, entity, hop, generation, centre, radius_class, applied, margin = row
        state = self._by_session.get(session)
        if state is None or state.session is None:
            return
        playing = state.session
        if generation > playing.generation:
            self._outdated.add(session)
        if generation != playing.generation or hop < playing.hop:
            return
        self._note_applied(state, playing, applied, margin)
        if anew or hop > playing.hop or playing.owner != shard:
            playing.hop = hop
            playing.owner = shard
            self._route(state, playing, shard)
        if entity != playing.entity:
            self._set_entity(state, playing, entity)
        interest = self._interests.find(centre, radius_class)
        # The centre is -1 before the first tick.
        if interest is not None and interest is not state.interest:
            state.want(interest)
            self._moved.append(state)

    def _hand_over(self, shard: int, session: int, heir: int) -> None:
        """The owner let the session go: the heir shall have its inputs before it is listed."""
        state = self._by_session.get(session)
        if state is not None and state.session is not None and state.session.owner == shard:
            self._route(state, state.session, heir)

    def _set_entity(self, state: LinkState, playing: Playing, entity: int) -> None:
        if self._by_entity.get(playing.entity) is state:
            del self._by_entity[playing.entity]
        playing.entity = entity
        if entity:
            self._by_entity[entity] = state

    # --- inputs ----------------------------------------------------------------------------------

    def send(self, state: LinkState, playing: Playing, entry: Input) -> None:
        """Send an input on its way to the owner; one that was seen before is ignored."""
        if entry.seq <= playing.newest_seq:
            return
        playing.newest_seq = entry.seq
        _prune(playing, state.told)
        playing.unacknowledged.append(entry)
        self._post.add(playing.route, entry)
        playing.posted = entry.seq
        self._await_report(playing)

    def _route(self, state: LinkState, playing: Playing, shard: int) -> None:
        """Send the inputs of `playing` to `shard` from now on, and those not applied again."""
        playing.route = shard
        self._shards = None
        if playing.confirms:
            self._post.add(shard, Confirm(playing.session, playing.generation))
        self._send_again(state, playing)

    def _send_again(self, state: LinkState, playing: Playing) -> None:
        _prune(playing, state.told)
        playing.posted = 0
        for entry in playing.unacknowledged:
            if entry.seq > state.applied:
                self._post.add(playing.route, entry._replace(after=playing.posted or state.told))
                playing.posted = entry.seq
        if playing.posted:
            self._await_report(playing)

    def _await_report(self, playing: Playing) -> None:
        waiting = self._unanswered.setdefault(playing.route, {})
        if playing.session not in waiting:
            known = self._ticks.get(playing.route, 0)
            waiting[playing.session] = known + limits.INPUT_REPEAT_TICKS

    def _note_applied(self, state: LinkState, playing: Playing, applied: int, margin: int) -> None:
        if applied == state.applied:
            return
        state.note_applied(applied, margin)
        waiting = self._unanswered.get(playing.route)
        if waiting is None or waiting.pop(playing.session, None) is None:
            return
        if playing.unacknowledged and playing.unacknowledged[-1].seq > applied:
            self._await_report(playing)

    def _send_overdue(self, shard: int) -> None:
        """The shard is there, and has not told for a while what became of these."""
        waiting, now = self._unanswered.get(shard), self._ticks[shard]
        while waiting:
            session, due = next(iter(waiting.items()))
            if due > now:
                return
            del waiting[session]
            state = self._by_session.get(session)
            playing = state.session if state is not None else None
            if state is not None and playing is not None and playing.route == shard:
                self._send_again(state, playing)


def _prune(playing: Playing, applied: int) -> None:
    waiting = playing.unacknowledged
    while waiting and waiting[0].seq <= applied:
        waiting.popleft()
