"""All processes of one world on one machine: started, watched, restarted, stopped in order."""
