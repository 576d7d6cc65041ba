"""The commands, by what they need: looking loads no torch."""
