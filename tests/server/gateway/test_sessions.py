"""A session outlives its links, follows its entity across borders, and cannot be stolen."""

from protocol import messages
from protocol.errors import CloseCode
from protocol.messages import Hello
from server.gateway import limits
from server.shard import mail


def owner_of(world, client):
    return next(s for s in world.shards.values() if client.session in s.rows)


def hand_over(world, client) -> None:
    """Give the session to the other shard, as a border crossing does."""
    source = owner_of(world, client)
    target = next(s for s in world.shards.values() if s is not source)
    row = source.rows.pop(client.session)
    source.handed.append((client.session, target.id))
    row.hop += 1
    target.rows[client.session] = row


# --- inputs --------------------------------------------------------------------------------------


def test_an_input_reaches_the_owner_with_session_and_generation(world) -> None:
    client = world.join("ann", 100, 100)
    client.aim(42, tick=9)
    world.tick()
    (entry,) = world.shards[0].inputs
    assert entry == mail.Input(client.session, 1, 1, 9, 0, 0, (42,))


def test_inputs_follow_the_session_and_unapplied_ones_are_sent_again(world) -> None:
    client = world.join("ann", 500, 100)
    for angle in (1, 2, 3):
        client.aim(angle)
    world.tick()
    world.shards[0].rows[client.session].applied = 1
    world.tick()
    hand_over(world, client)
    world.tick(2)
    seqs = [entry.seq for entry in world.shards[1].inputs]
    assert set(seqs) == {2, 3}, "the new owner gets what was not applied, and nothing else"
    assert seqs[:2] == [2, 3], "in order"
    client.aim(4)
    world.tick()
    assert world.shards[1].inputs[-1].seq == 4, "new inputs go to the new owner"
    assert all(entry.seq < 4 for entry in world.shards[0].inputs), "and no longer to the old one"


def test_an_older_hop_never_takes_a_session_back(world) -> None:
    client = world.join("ann", 500, 100)
    hand_over(world, client)
    world.tick()
    row = world.shards[1].rows[client.session]
    stale = type(row)(row.entity, hop=0, applied=99)
    world.shards[0].rows[client.session] = stale  # a frame that was delayed on the bus
    world.tick()
    client.aim(5)
    world.tick()
    assert world.shards[1].inputs[-1].seq == 1, "the highest hop is the owner"
    assert client.snapshots[-1].report is None, "and speaks for the session"


def test_kept_inputs_are_bounded(world) -> None:
    client = world.join("ann", 500, 100)
    for angle in range(limits.INPUTS_KEPT + 30):
        client.aim(angle)
    world.tick()
    hand_over(world, client)
    world.tick(2)
    resent = {entry.seq for entry in world.shards[1].inputs}
    assert len(resent) == limits.INPUTS_KEPT, "the oldest were forgotten"
    assert max(resent) == limits.INPUTS_KEPT + 30


def seqs_of(shard) -> list[tuple[int, int]]:
    """The inputs that came since the last call, each with the one that came before it."""
    found = [(entry.seq, entry.after) for entry in shard.inputs]
    shard.inputs.clear()
    return found


def test_inputs_that_the_bus_has_lost_are_sent_again(world) -> None:
    client = world.join("ann", 100, 100)
    shard = world.shards[0]
    client.aim(1)
    world.tick()
    assert seqs_of(shard) == [(1, 0)]
    world.lose = lambda subject: subject == "w.inbox.0"
    client.aim(2)
    world.tick()
    world.lose = lambda _: False
    client.aim(3)
    world.tick()
    assert seqs_of(shard) == [(3, 2)], "it says what is missing"
    shard.rows[client.session].applied = 1
    world.tick(limits.INPUT_REPEAT_TICKS + 2)
    assert seqs_of(shard) == [(2, 1), (3, 2)]
    shard.rows[client.session].applied = 3
    world.tick(3 * limits.INPUT_REPEAT_TICKS)
    assert seqs_of(shard) == [], "nothing is sent again that is reported"
    client.aim(4)
    world.tick()
    assert seqs_of(shard) == [(4, 3)]


def test_a_shard_that_is_away_is_not_sent_everything_again_and_again(world) -> None:
    client = world.join("ann", 100, 100)
    client.aim(1)
    world.tick()
    world.lose = lambda subject: subject == "w.frame.0"
    world.tick(10 * limits.INPUT_REPEAT_TICKS)
    assert len(seqs_of(world.shards[0])) <= 1


def told_of(world, applied: int):
    """A client that has sent three inputs and was told how many have taken effect; its owner."""
    client = world.join("ann", 100, 100)
    shard = world.shards[0]
    for angle in (1, 2, 3):
        client.aim(angle)
    world.tick()
    shard.rows[client.session].applied = applied
    world.tick(2)
    return client, shard


def crash(shard, client, *, applied: int) -> None:
    """The shard has another owner, who knows of so many of the client's inputs."""
    shard.table.epoch, shard.base = 2, 0
    shard.rows[client.session].applied = applied


def test_what_a_client_was_told_is_not_sent_again_when_it_is_undone(world) -> None:
    """It counts as lost by then, and would take effect all the same."""
    client, shard = told_of(world, applied=2)
    assert client.snapshots[-2].report == (2, 0)
    seqs_of(shard)
    crash(shard, client, applied=1)
    world.tick(2)
    assert client.snapshots[-2].report == (1, 0)
    assert (2, 1) not in seqs_of(shard), "the second is lost"


def test_nothing_takes_the_place_of_what_was_undone_before_the_client_knows(world) -> None:
    """Were its link lost before, it would never learn: the next one tells what is applied then."""
    client, shard = told_of(world, applied=2)
    client.acknowledges = False
    seqs_of(shard)
    crash(shard, client, applied=1)
    world.tick(2)
    client.aim(4)
    world.tick(2 * limits.INPUT_REPEAT_TICKS)
    assert (1, 0) in [snapshot.report for snapshot in client.snapshots]
    sent = seqs_of(shard)
    assert {seq for seq, _ in sent} == {3, 4}
    assert all(after >= 2 for _, after in sent), "an owner that has not the second takes neither"
    client.acknowledges = True
    client.say(messages.Ack(client.snapshots[-1].tick))
    world.tick(2 * limits.INPUT_REPEAT_TICKS)
    assert seqs_of(shard)[-2:] == [(3, 1), (4, 3)]


def test_what_was_applied_and_undone_before_a_client_was_told_is_sent_again(world) -> None:
    """It does not count as lost: nobody would know."""
    client = world.join("ann", 100, 100)
    shard = world.shards[0]
    client.acknowledges = False
    world.tick(40)
    reports = [snapshot.report for snapshot in client.snapshots]
    for angle in (1, 2):
        client.aim(angle)
    world.tick()
    shard.rows[client.session].applied = 2
    world.tick()
    client.aim(3)
    world.tick()
    seqs_of(shard)
    crash(shard, client, applied=1)
    world.tick(2)
    assert [snapshot.report for snapshot in client.snapshots] == reports, "it is late"
    assert seqs_of(shard) == [(2, 0), (3, 2)]


def test_a_late_client_is_told_what_was_undone_before_what_was_applied_since(world) -> None:
    """It counts what is lost by that: were it told the newest alone, it would never know."""
    client, shard = told_of(world, applied=3)
    client.acknowledges = False
    world.tick(40)
    told = len(client.snapshots)
    crash(shard, client, applied=1)
    world.tick()
    client.aim(4)
    for applied in (4, 2, 5):
        shard.rows[client.session].applied = applied
        world.tick()
    assert len(client.snapshots) == told, "it is late"
    client.acknowledges = True
    client.say(messages.Ack(client.snapshots[-1].tick))
    world.tick(4)
    reports = [snapshot.report for snapshot in client.snapshots[told:] if snapshot.report]
    assert [applied for applied, _ in reports] == [1, 5]


def test_an_input_that_is_out_of_range_closes_the_link(world) -> None:
    for message in (
        messages.Input(seq=1, tick=1, kind=0, values=(256,)),
        messages.Input(seq=1, tick=1, kind=1, values=(1,)),
        messages.Input(seq=1, tick=1, kind=0, values=()),
        messages.Input(seq=1, tick=1, kind=0, ack=10_000, values=(1,)),
    ):
        client = world.join("ann", 100, 100)
        client.say(message)
        world.tick()
        assert client.closed == CloseCode.BAD_MESSAGE, f"{message}"
    assert not world.shards[0].inputs, "no shard was bothered"


# --- resume --------------------------------------------------------------------------------------


def test_a_lost_link_is_reported_until_the_session_is_gone(world) -> None:
    client = world.join("ann", 100, 100)
    client.pair.cut()
    world.tick(50)
    facts = [item for item in world.shards[0].items if isinstance(item, mail.Detach)]
    assert facts == [mail.Detach(client.session, 1)] * len(facts)
    assert 2 <= len(facts) <= 4, "once a second"
    world.answer(mail.Ended(client.session, 1, "the link did not come back in time"))
    world.tick(50)
    after = [item for item in world.shards[0].items if isinstance(item, mail.Detach)]
    assert len(after) == len(facts), "then nobody asks any more"


def test_a_player_who_says_bye_leaves_at_once(world) -> None:
    client = world.join("ann", 100, 100)
    client.say(messages.Bye())
    world.tick()
    world.tick()
    assert mail.Leave(client.session, 1) in world.shards[0].items


def test_a_resumed_session_keeps_its_entity_and_gets_another_token(world) -> None:
    client = world.join("ann", 100, 100)
    client.pair.cut()
    world.tick(3)
    back = world.resume(client)
    world.tick()
    (question, *_) = world.resumes
    assert question.token == client.welcome.token, "the owner judges the secret"
    world.grant(question)
    world.tick(2)
    assert back.entity == client.entity, "the same avatar"
    assert back.session == client.session
    assert back.welcome.token != client.welcome.token, "a token is good for one resume"
    assert back.seen() == world.truth(back), "a keyframe brought it up to date"
    assert world.gateway.statistics().resumes == 1


def test_the_new_token_is_confirmed_by_the_first_message(world) -> None:
    client = world.join("ann", 100, 100)
    back = world.resume(client)
    back.acknowledges = False
    world.tick()
    world.grant(world.resumes[-1])
    world.tick()
    confirms = [i for i in world.shards[0].items if isinstance(i, mail.Confirm)]
    assert not confirms, "the client may not have received the welcome yet"
    back.say(messages.Ping(1))
    world.tick()
    confirms = [i for i in world.shards[0].items if isinstance(i, mail.Confirm)]
    assert confirms == [mail.Confirm(client.session, 2)]


def test_a_new_owner_is_told_that_the_token_was_confirmed(world) -> None:
    """The one before may have let the session go before it heard so."""
    client = world.join("ann", 100, 100)
    back = world.resume(client)
    world.tick()
    world.grant(world.resumes[-1])
    world.tick(3)
    hand_over(world, back)
    world.tick(2)
    confirms = [i for i in world.shards[1].items if isinstance(i, mail.Confirm)]
    assert confirms
    assert set(confirms) == {mail.Confirm(client.session, 2)}


def test_the_old_link_is_closed_when_the_session_goes_on_elsewhere(world) -> None:
    client = world.join("ann", 100, 100)
    back = world.resume(client)
    world.tick()
    world.grant(world.resumes[-1])
    world.tick()
    assert client.closed == CloseCode.TAKEN_OVER
    assert back.welcome is not None
    world.tick(30)
    detached = [i for i in world.shards[0].items if isinstance(i, mail.Detach)]
    assert not detached, "the session is not lost: it has another link"


def test_a_session_that_another_gateway_took_over_is_closed_here(world) -> None:
    client = world.join("ann", 100, 100)
    world.answer(mail.Superseded(client.session, 1))
    world.tick()
    assert client.closed == CloseCode.TAKEN_OVER
    world.tick(30)
    assert not [i for i in world.shards[0].items if isinstance(i, mail.Detach)]


def test_an_old_notice_does_not_close_a_newer_link(world) -> None:
    client = world.join("ann", 100, 100)
    back = world.resume(client)
    world.tick()
    world.grant(world.resumes[-1])
    world.tick()
    world.answer(mail.Superseded(client.session, 1), mail.Ended(client.session, 1, "late"))
    world.tick()
    assert back.closed is None, "generation 2 is another link"


# --- theft ---------------------------------------------------------------------------------------


def test_an_answer_to_one_resume_is_never_taken_for_another(world) -> None:
    """The thief names the victim's session and waits for the victim's answer."""
    client = world.join("ann", 100, 100)
    forged = client.welcome.token[:8] + bytes(16)
    thief = world.connect(Hello(resume=forged))
    victim = world.resume(client)
    world.tick()
    honest = next(r for r in world.resumes if r.token == client.welcome.token)
    world.grant(honest)
    world.tick()
    assert victim.welcome is not None, "the owner of the token is let in"
    assert thief.welcome is None, "the thief is not"
    world.tick(round(limits.RESUME_S * 20) + 20)
    assert thief.closed == CloseCode.AUTH


def test_a_refused_token_closes_only_the_link_that_showed_it(world) -> None:
    client = world.join("ann", 100, 100)
    thief = world.connect(Hello(resume=client.welcome.token[:8] + bytes(16)))
    victim = world.resume(client)
    world.tick()
    wrong = next(r for r in world.resumes if r.token != client.welcome.token)
    world.answer(mail.Refused(client.session, CloseCode.AUTH, "wrong token", wrong.next_hash))
    world.tick()
    assert thief.closed == CloseCode.AUTH
    assert victim.closed is None, "the other question is still open"


def test_many_guesses_at_one_session_do_not_reach_the_shards(world) -> None:
    client = world.join("ann", 100, 100)
    thieves = [
        world.connect(Hello(resume=client.welcome.token[:8] + bytes([n]) * 16)) for n in range(20)
    ]
    world.tick()
    asked = {resume.token for resume in world.resumes}
    assert len(asked) <= limits.RESUMES_PENDING, "two at a time"
    assert sum(thief.closed == CloseCode.AUTH for thief in thieves) >= 18


def test_what_is_no_token_is_refused_at_once(world) -> None:
    client = world.connect(Hello(resume=b"let me in"))
    world.tick()
    assert client.closed == CloseCode.AUTH
    assert not world.resumes, "no shard was asked"


def test_a_resume_that_nobody_knows_is_refused_in_the_end(world) -> None:
    client = world.join("ann", 100, 100)
    back = world.resume(client)
    world.tick(round(limits.RESUME_S * 20) + 20)
    assert back.closed == CloseCode.AUTH
    assert len(world.resumes) > 10, "the question was repeated: the entity may be in transit"
    assert len({resume.next_hash for resume in world.resumes}) == 1, "always the same one"


def test_a_resume_granted_to_a_link_that_is_gone_is_given_back(world) -> None:
    client = world.join("ann", 100, 100)
    back = world.resume(client)
    world.tick()
    back.pair.cut()
    world.tick()
    world.grant(world.resumes[-1])
    world.tick(30)
    assert mail.Detach(client.session, 2) in world.shards[0].items, "the grace period runs"


# --- private sections ----------------------------------------------------------------------------


def test_what_is_private_goes_to_its_owner_alone(world) -> None:
    ann = world.join("ann", 100, 100)
    bob = world.join("bob", 101, 100)
    item = messages.encode_private(messages.Private(ann.entity, 0, 7, (77,)))
    world.shards[0].privates.append((ann.session, item))
    world.tick()
    assert ann.snapshots[-1].private == messages.Private(ann.entity, 0, 7, (77,))
    assert all(snapshot.private is None for snapshot in bob.snapshots), "bob learns nothing"


def test_a_private_section_that_could_not_be_sent_is_not_lost(world) -> None:
    ann = world.join("ann", 100, 100)
    ann.acknowledges = False
    world.tick(40)
    late = ann.snapshots[-1].tick
    for value in (1, 2):
        item = messages.encode_private(messages.Private(ann.entity, 0, value, (value,)))
        world.shards[0].privates.append((ann.session, item))
        world.tick()
    assert ann.snapshots[-1].tick == late, "the link is late"
    ann.say(messages.Ack(late))
    world.tick()
    assert ann.snapshots[-1].private.values == (2,), "the newest is what counts"
