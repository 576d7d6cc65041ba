"""Studies of the questions of the Interplay paper: what RL adds to a base, and what has to come before it."""
