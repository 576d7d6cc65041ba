"""Studies of mid-training methods: what each adds to next-token prediction, before and after the same RL."""
