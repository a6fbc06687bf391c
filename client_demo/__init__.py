"""The demo client: a connection over trio, bots, and screens to watch the world."""
