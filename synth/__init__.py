"""synth writes arithmetic-reasoning problems as text, and judges worked solutions to them."""
