"""How fast this machine trains, samples and judges, beside the libraries that do the same work."""
