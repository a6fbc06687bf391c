"""Killing a real server again and again while bots play, and proving that nothing is lost."""
