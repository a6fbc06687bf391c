"""`shoal replay`: a recording that is watched like a running world, or verified at full speed."""
