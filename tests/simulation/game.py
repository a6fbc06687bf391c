"""The game of the simulations: small, and with everything that can go wrong across a border.

Balls bounce about, jump anywhere now and then, and hand on a light to whom they come near, wherever
that one lives: a command that must be done once. Players swim, and fire sparks, which die after a
while. A shot is told to who sees the place, as a medal to everybody and as a prize to the shooter;
the last two are durable. Everything of which there must be exactly one carries numbers that say
which.
"""

from typing import Annotated, Any

import attrs
import numpy as np

from sim import Game, World, ident, motion, quant, server_only

__all__ = ["BALLS", "HZ", "SIZE", "make_game"]

SIZE = 256.0
HZ = 10
SPEED = 45.0
BALLS = 10  # in each shard
SPARK_STEPS = 15
REACH = 24.0

coord = Annotated[float, quant(0, SIZE, step=1 / 16)]
speed = Annotated[float, quant(-100, 100, step=1 / 4)]
count = Annotated[int, quant(0, 2**20, 1)]
number = Annotated[int, quant(0, 2**30, 1)]


def make_game() -> Game:  # noqa: C901 - a game is declared in one place
    """The game; made anew for each run, so that nothing is left of another."""
    game = Game(
        "ripples", size=(SIZE, SIZE), cell=32, interest_radius=(72, 120), reach=REACH, tick_hz=HZ
    )

    @game.entity(motion=motion.Free(), ghost_fields=("light",))
    @attrs.define
    class Ball:
        x: coord
        y: coord
        vx: speed = 0
        vy: speed = 0
        light: count = 0
        given: Annotated[int, server_only] = 0

    @game.entity(motion=motion.Free())
    @attrs.define
    class Player:
        x: coord
        y: coord
        vx: speed = 0
        vy: speed = 0
        fired: count = 0
        lit: count = 0

    @game.entity(motion=motion.Free())
    @attrs.define
    class Spark:
        x: coord
        y: coord
        vx: speed = 0
        vy: speed = 0
        left: Annotated[int, server_only] = SPARK_STEPS

    @attrs.frozen
    class Swim:
        dx: Annotated[float, quant(-1, 1, 1 / 100)]
        dy: Annotated[float, quant(-1, 1, 1 / 100)]

    @attrs.frozen
    class Fire:
        number: number

    @game.event
    @attrs.frozen
    class Flash:
        who: Annotated[int, ident]
        number: number

    @game.event(durable=True)
    @attrs.frozen
    class Medal:
        who: Annotated[int, ident]
        number: number

    @game.event(durable=True)
    @attrs.frozen
    class Prize:
        who: Annotated[int, ident]
        number: number

    @game.setup
    def fill(world: World) -> None:
        x0, y0, x1, y1 = world.bounds
        ids = np.arange(BALLS, dtype=np.uint64) + np.uint64(world.maker * 1000)
        x = world.rng.uniform(ids, "x", x0, x1)
        y = world.rng.uniform(ids, "y", y0, y1)
        vx = world.rng.uniform(ids, "vx", -SPEED, SPEED)
        vy = world.rng.uniform(ids, "vy", -SPEED, SPEED)
        for place in range(BALLS):
            world.spawn(Ball(x[place], y[place], vx[place], vy[place]))

    @game.join
    def join(world: World, name: str) -> Player:
        return Player(SIZE / 2 - 20, SIZE / 2 + 10)

    @game.on_input(Swim)
    def swim(world: World, me: Player, cmd: Swim) -> None:
        me.vx, me.vy = SPEED * cmd.dx, SPEED * cmd.dy

    @game.on_input(Fire, once=True)
    def fire(world: World, me: Player, cmd: Fire) -> None:
        me.fired += 1
        world.spawn(Spark(me.x, me.y, -2 * me.vx, -2 * me.vy))
        world.emit(Flash(me.id, cmd.number), at=(me.x, me.y))
        world.emit(Medal(me.id, cmd.number))
        world.emit(Prize(me.id, cmd.number), to=me.id)

    @game.command
    def shine(world: World, me: Ball, giver: int, number: int) -> None:
        me.light += 1

    @game.system
    def bounce(world: World) -> None:
        table = world[Ball]
        table.vx = np.where(table.x < 8, abs(table.vx), table.vx)
        table.vx = np.where(table.x > SIZE - 8, -abs(table.vx), table.vx)
        table.vy = np.where(table.y < 8, abs(table.vy), table.vy)
        table.vy = np.where(table.y > SIZE - 8, -abs(table.vy), table.vy)
        turning = world.rng.uniform(table.id, "turn") < 0.02
        table.vx = np.where(turning, world.rng.uniform(table.id, "tx", -SPEED, SPEED), table.vx)
        table.vy = np.where(turning, world.rng.uniform(table.id, "ty", -SPEED, SPEED), table.vy)
        jumping = world.rng.uniform(table.id, "jump") < 0.005
        table.x = np.where(jumping, world.rng.uniform(table.id, "jx", 0, SIZE), table.x)
        table.y = np.where(jumping, world.rng.uniform(table.id, "jy", 0, SIZE), table.y)

    @game.system
    def fade(world: World) -> None:
        sparks = world[Spark]
        if len(sparks):
            sparks.left = sparks.left - 1
            for spark in [spark for spark in sparks.rows() if spark.left <= 0]:
                world.destroy(spark.id)

    @game.system
    def touch(world: World) -> None:
        """One ball in each step gives a light to the next one at hand, wherever it lives."""
        everyone, given = world.everyone(Ball), world[Ball].given
        if not everyone.owned:
            return
        place = world.step % everyone.owned
        gap = abs(everyone.x - everyone.x[place]) + abs(everyone.y - everyone.y[place])
        gap[place] = np.inf
        other = int(np.argmin(gap))
        if gap[other] < REACH:
            giver, count = int(everyone.id[place]), int(given[place]) + 1
            given[place] = count
            world.command(int(everyone.id[other]), shine, giver=giver, number=count)

    @game.interest(Player)
    def eyes(players: Any) -> Any:
        return (players.fired % 8 > 4).astype(int)

    return game
