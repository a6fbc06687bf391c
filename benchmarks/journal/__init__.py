"""What journalling costs: the same server with its store off and on, in turns."""
