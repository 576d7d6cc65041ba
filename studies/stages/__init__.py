"""Studies of what each stage of training contributes."""
