"""The recorded run that the tests of recordings have, too."""

from tests.server.recording.conftest import game, played, recording, write

__all__ = ["game", "played", "recording", "write"]
