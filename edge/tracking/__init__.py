"""The hot path: answers tracking hostnames and writes down what it saw, nothing else."""
