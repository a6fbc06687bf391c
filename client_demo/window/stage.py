"""One frame of the window: what was pressed goes to the client, what it shows goes on the screen.

An input is predicted in the frame in which its key was pressed, and that frame shows it: from input
to photon it is one frame, whatever the link's latency.

Must not know: trio, connections, clocks (time is an argument).
"""

from collections.abc import Sequence

import pygame

from client_demo.window.camera import Camera
from client_demo.window.controls import Controls
from client_demo.window.drawing import Painter
from client_demo.window.hud import Hud, draw_hud
from client_demo.window.netcode import Netcode
from client_demo.window.scene import Scene
from protocol.client import Client

__all__ = ["Stage"]


class Stage:
    """Everything between the window's events and its pixels.

    It is made when the window is open. `link` names what the link simulates, if it does.
    """

    def __init__(self, link: str | None = None) -> None:
        self.controls = Controls()
        self.camera = Camera()
        self.netcode = Netcode(link)
        self.scene: Scene | None = None
        self._painter = Painter()
        self._drawn_at: float | None = None

    def frame(
        self,
        surface: pygame.Surface,
        client: Client,
        events: Sequence[pygame.event.Event],
        now: float,
        *,
        notice: str = "",
    ) -> None:
        """Play and paint one frame at `now`, in seconds; `notice` is put across it.

        `client` may be another one than before, when a session was lost for good.
        """
        self.controls.feed(events)
        self.camera.resize(*surface.get_size())
        if client.schema is None:  # not welcomed yet
            surface.fill((6, 12, 24))
            told = Hud(notice=notice, help=self.controls.shows_help, link=self.netcode.link)
            draw_hud(surface, None, told)
            return
        scene = self._scene_of(client)
        if not client.playing:
            self.controls.forget_presses()  # a shot that comes late is none; a direction stays
        self._send(scene, now)
        self.netcode.note(client, now)
        scene.update(now)
        elapsed_s = 0.0 if self._drawn_at is None else max(now - self._drawn_at, 0.0)
        self._drawn_at = now
        if scene.me is not None:
            me, schema = scene.me, client.schema
            self.camera.see(scene.sight, elapsed_s)
            self.camera.follow(me.x, me.y, elapsed_s, jump=schema.jump, world=schema.size)
        self._painter.paint(surface, scene, self.camera, now)
        controls, netcode = self.controls, self.netcode
        told = Hud(
            netcode=netcode.words if controls.shows_netcode else [],
            help=controls.shows_help,
            notice=notice,
            link=netcode.link,
        )
        draw_hud(surface, scene, told)

    def _scene_of(self, client: Client) -> Scene:
        if self.scene is None or self.scene.client is not client:
            self.scene = Scene(client)
            self.controls.begin_anew()
        return self.scene

    def _send(self, scene: Scene, now: float) -> None:
        client, me = scene.client, scene.me
        if client.schema is None or not client.ready:
            return
        # Shots begin where the server will have the avatar, which is not quite where it is drawn.
        place = None if me is None else self.camera.pixel(*client.origin(now) or (me.x, me.y))
        for act in self.controls.acts(client.schema, place):
            client.send_input(act.input, dict(act.values), now)
            if act.input == "Harpoon":
                scene.aimed(act.values["dx"], act.values["dy"], now)
