"""The main job, end to end over memory; the same scenario runs over sockets elsewhere."""


async def test_a_shot_across_the_border_hits_what_the_shooter_saw(duel, memory_driver) -> None:
    await duel(memory_driver)
    tally = memory_driver.sim.census()
    assert not tally.lost, "no entity was lost"
    assert not tally.duplicated, "none was doubled"
    assert all(client.mismatches == 0 for client in memory_driver.sim.clients)
