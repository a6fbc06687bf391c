"""The shared halves of the wire: bytes to messages, parts, replicas, playback. No I/O, no clock."""
